//! The daemon beside an nginx: its files and sockets lie in the folder that both see.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use test_services::wait_for;

use crate::client::{self, Answer};
use crate::processes::Process;

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that runs. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    /// Its store, below the folder of nginx.
    pub const STORE: &str = "map.redb";
    /// The folder that it publishes to, below that of nginx.
    pub const MAP: &str = "map";
    /// The socket of its API, below the folder of nginx.
    pub const API: &str = "api.sock";
    /// The socket for resolvers, below the folder of nginx.
    pub const SOCKET: &str = "resolver.sock";
    /// What API requests through nginx need.
    pub const TOKEN: &str = "sesame-sesame-sesame";

    /// Starts `program` with all it has in `folder`, and waits until it serves.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(program: &str, folder: &Path) -> Daemon {
        let mut command = Command::new(program);
        let paths = [
            ("--store", Daemon::STORE),
            ("--publish", Daemon::MAP),
            ("--socket", Daemon::API),
            ("--resolver-socket", Daemon::SOCKET),
        ];
        for (flag, name) in paths {
            command.arg(flag).arg(folder.join(name));
        }
        // All daemons of a test tell in one file.
        let log = OpenOptions::new().create(true).append(true).open(folder.join(LOG));
        let log = log.expect("a file in the shared folder");
        let child = command
            .env_clear()
            .env("BACKEND_TOKEN", Daemon::TOKEN)
            .env("BACKEND_ACCESS_LOG", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut daemon = Daemon { child, folder: folder.to_owned() };
        wait_for("the daemon", PATIENCE, || {
            let ended = daemon.child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "the daemon has ended: {}", daemon.log());
            daemon.try_ask("GET", "/healthz", "").is_ok_and(|answer| answer.status == 200).then_some(())
        });
        daemon
    }

    /// Has `host` lead to `backend`.
    ///
    /// # Panics
    /// If it is not acknowledged.
    pub fn put(&self, host: &str, backend: serde_json::Value) {
        let body = serde_json::json!({ "host": host, "backend": backend }).to_string();
        let answer = self.ask("POST", "/entries.json", &body);
        assert!([200, 201].contains(&answer.status), "{answer:?}");
    }

    /// Takes `host` out.
    ///
    /// # Panics
    /// If it is not acknowledged.
    pub fn delete(&self, host: &str) {
        let answer = self.ask("DELETE", &format!("/entries/{host}.json"), "");
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// Asks its API, over its own socket.
    ///
    /// # Panics
    /// If no answer comes.
    pub fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        self.try_ask(method, target, body).expect("the daemon answers")
    }

    /// As [`Daemon::ask`], where it may end meanwhile.
    ///
    /// # Errors
    /// No answer came, or half of one.
    pub fn try_ask(&self, method: &str, target: &str, body: &str) -> io::Result<Answer> {
        let request = client::request(method, "api", target, &[], body);
        let answer = client::exchange(&self.folder.join(Daemon::API), request.as_bytes())?;
        if answer.status == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }

    /// What it counts under that name.
    ///
    /// # Panics
    /// If it counts nothing of that name.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.ask("GET", "/metrics", "").body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Its process.
    ///
    /// # Panics
    /// Never: numbers of processes are that small.
    pub fn process(&self) -> Process {
        let pid = self.child.id().try_into().expect("the number of a process");
        Process { pid, title: "backend".to_owned() }
    }

    /// Sends it a signal and waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn end_by(mut self, signal: Signal) -> ExitStatus {
        self.process().signal(signal);
        self.await_end()
    }

    /// Waits until it has ended: as long as its process is there, its store is locked.
    ///
    /// # Panics
    /// If it does not end.
    pub fn await_end(&mut self) -> ExitStatus {
        wait_for("the daemon's end", PATIENCE, || self.child.try_wait().expect("a child can be waited for"))
    }

    /// What it and those before it in this folder have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join(LOG)).unwrap_or_default()
    }
}

const LOG: &str = "daemon.log";

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
