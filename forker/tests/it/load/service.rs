//! `forker-greeting`, started for a test.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use forker::status::{self, State, Status};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// It ends with this, however often its master has changed.
pub(super) struct Service {
    folder: TempDir,
    first: Child,
    /// The master.
    pid: u32,
}

impl Service {
    /// Starts it on a free port of 127.0.0.1, and waits until it serves.
    pub(super) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let first = Self::command(&folder, flags).spawn().unwrap();
        let pid = first.id();
        let mut service = Self { folder, first, pid };
        let end = Instant::now() + Duration::from_secs(60);
        while !status::ask(&service.socket()).is_ok_and(|status| status.state == State::Running) {
            let ended = service.first.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "it does not serve\n{}", service.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        service
    }

    /// What would start it.
    pub(super) fn command(folder: &TempDir, flags: &[&str]) -> Command {
        let log = File::options().append(true).create(true).open(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_forker-greeting"));
        command.args(flags).arg("--status").arg(folder.path().join("status.sock"));
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    pub(super) fn status(&self) -> Status {
        // While one master takes over from the other, the socket is replaced.
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match status::ask(&self.socket()) {
                Ok(status) => return status,
                Err(error) => assert!(Instant::now() < end, "{error}\n{}", self.log()),
            }
        }
    }

    /// Where it listens first.
    pub(super) fn tcp(&self) -> SocketAddr {
        self.status().addresses[0].parse().unwrap()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill(self.pid, signal);
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Signals go to the master that answers now.
    pub(super) fn follow(&mut self) {
        self.pid = self.status().pid;
        // The first one may have ended, and would stay as a zombie.
        let _ = self.first.try_wait();
    }

    /// The end of what it said.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(6000);
        log.get(from..).unwrap_or(&log).to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("status.sock")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Its workers end with it.
        if let Ok(status) = status::ask(&self.socket()) {
            kill(status.pid, Signal::KILL);
        }
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

/// One that is gone is not minded.
pub(super) fn kill(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal);
}

/// Neither gone nor a zombie that nobody has waited for.
pub(super) fn is_running(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the command, which may hold anything: proc_pid_stat(5).
    !matches!(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()), Some('Z' | 'X') | None)
}
