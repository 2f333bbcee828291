//! The program, started as an operator starts it and asked as its clients ask it.

mod access;
mod bulk;
mod client;
mod durable;
mod entries;
mod publication;
mod stop;
mod stress;

use backend_map::{Host, Reader};
use client::{Answer, Client};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What is waited for at most; far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "sesame-sesame-sesame";

/// A running daemon, and the folder of everything it has.
struct Daemon {
    child: Child,
    folder: TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    fn start() -> Daemon {
        Daemon::start_in(tempfile::tempdir().unwrap(), &[])
    }

    fn start_in(folder: TempDir, more: &[&str]) -> Daemon {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let own = ["--store", &path("map.redb"), "--publish", &path("map")];
        let sockets = ["--socket", &path("api.sock"), "--resolver-socket", &path("resolver.sock")];
        let arguments = [&own[..], &sockets[..], more].concat();
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
        let mut daemon = Daemon { child, folder, log };
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
        if self.child.try_wait().unwrap().is_none() {
            self.signal(signal);
        }
        self.wait();
        Daemon::start_in(std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap()), &[])
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
