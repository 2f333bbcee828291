//! The program, started as an operator starts it and asked as its clients ask it.

mod access;
mod bulk;
mod client;
mod durable;
mod entries;
mod publication;
mod redis;
mod stop;
mod stress;

use backend_map::{Host, Reader};
use client::{Answer, Client};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is waited for at most; far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "sesame-sesame-sesame";

/// What daemons keep their maps in. Most of what is tested is the same with both.
enum Stores {
    Files,
    Redis(test_services::Redis),
}

/// Makes two tests of each function, one for each kind of store.
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod in_a_file {
            $(#[test] fn $test() { super::$test(&crate::Stores::Files); })*
        }
        mod in_redis {
            $(#[test] fn $test() {
                if let Some(redis) = crate::start_redis(&[]) {
                    super::$test(&crate::Stores::Redis(redis));
                }
            })*
        }
    };
}
use on_both_stores;

/// A Redis of its own for a test, where one can run.
fn start_redis(options: &[&str]) -> Option<test_services::Redis> {
    match test_services::Redis::start(options) {
        Ok(redis) => Some(redis),
        Err(missing) => {
            eprintln!("skipped: {}", missing.0);
            None
        }
    }
}

impl Stores {
    /// A daemon with a map of its own.
    fn daemon(&self) -> Daemon {
        static MAPS: AtomicU32 = AtomicU32::new(0);
        match self {
            Stores::Files => Daemon::start(),
            Stores::Redis(redis) => {
                let prefix = format!("map{}:", MAPS.fetch_add(1, Ordering::Relaxed));
                let more = ["--store", &redis_url(redis), "--store-prefix", &prefix];
                Daemon::start_in(tempfile::tempdir().unwrap(), &more)
            }
        }
    }
}

fn redis_url(redis: &test_services::Redis) -> String {
    format!("redis+unix://{}", redis.socket().display())
}

/// A running daemon, and the folder of everything it has.
struct Daemon {
    child: Child,
    folder: TempDir,
    log: Arc<Mutex<Vec<String>>>,
    arguments: Vec<String>,
}

impl Daemon {
    fn start() -> Daemon {
        Daemon::start_in(tempfile::tempdir().unwrap(), &[])
    }

    fn start_in(folder: TempDir, more: &[&str]) -> Daemon {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let own = ["--store-copy", &path("copy.redb"), "--publish", &path("map")];
        let sockets = ["--socket", &path("api.sock"), "--resolver-socket", &path("resolver.sock")];
        let (in_file, file) = (!more.contains(&"--store"), path("map.redb"));
        let store: &[&str] = if in_file { &["--store", &file] } else { &[] };
        let arguments = [&own[..], &sockets[..], store, more].concat();
        Daemon::start_with(folder, &arguments)
    }

    fn start_with(folder: TempDir, arguments: &[&str]) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backend"));
        command.args(["--listen", "127.0.0.1:0", "--log-level", "debug"]).args(arguments);
        command.env_clear().env("BACKEND_TOKEN", TOKEN);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in stderr.lines() {
                lines.lock().unwrap().push(line.unwrap());
            }
        });
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        let mut daemon = Daemon { child, folder, log, arguments };
        until("the daemon", || {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "{:#?}", daemon.log.lock().unwrap());
            daemon.line("the API is served\" address=").is_some()
        });
        daemon
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Over the unix socket, as the user that the daemon runs as.
    fn client(&self) -> Client {
        Client::Unix(self.path("api.sock"))
    }

    /// Over TCP, without a token.
    fn tcp(&self) -> Client {
        let line = self.line("the API is served\" address=").unwrap();
        Client::Tcp(line.rsplit('=').next().unwrap().parse().unwrap())
    }

    /// The first line of the log with this part.
    fn line(&self, part: &str) -> Option<String> {
        self.log.lock().unwrap().iter().find(|line| line.contains(part)).cloned()
    }

    fn put(&self, host: &str, backend: &str) -> Answer {
        let body = serde_json::json!({ "host": host, "backend": backend });
        self.client().send("POST", "/entries.json", &[], body.to_string().as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.client().send("GET", path, &[], b"")
    }

    fn delete(&self, path: &str) -> Answer {
        self.client().send("DELETE", path, &[], b"")
    }

    fn reader(&self) -> Reader {
        Reader::new(&self.path("map"), |_| {})
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Ends it by this signal, unless it has ended, and starts another on its folder.
    fn restart(mut self, signal: &str) -> Daemon {
        self.end(signal);
        self.again()
    }

    fn end(&mut self, signal: &str) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
        }
        self.wait();
    }

    /// Starts another in the place of one that has ended.
    fn again(mut self) -> Daemon {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Daemon::start_with(folder, &arguments)
    }

    /// A number of `/metrics`.
    fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first published upstream of a host.
fn published(reader: &Reader, host: &str) -> Option<String> {
    let host = Host::parse(host.as_bytes()).unwrap();
    reader
        .find(&host, |found| found.map(|mut found| found.next().unwrap().to_upstream().address.to_string()))
        .unwrap()
}

/// Waits until that is the first published upstream of a host: a change is answered before it is published.
fn await_published(reader: &Reader, host: &str, upstream: &str) {
    let what = || format!("{upstream} for {host}; published is {:?}", published(reader, host));
    let deadline = Instant::now() + PATIENCE;
    while published(reader, host).as_deref() != Some(upstream) {
        assert!(Instant::now() < deadline, "not published: {}", what());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Waits until `condition` holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o7777
}
