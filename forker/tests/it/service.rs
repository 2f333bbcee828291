//! A program on forker, started for a test. Tests of the examples use this file, too, and not all of it.
#![allow(dead_code)]

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use forker::status::{self, State, Status, WorkerState};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// It ends with this, however often its master has changed.
pub(crate) struct Service {
    folder: TempDir,
    first: Child,
    /// The master.
    pid: u32,
}

impl Service {
    /// Starts it on a free port of 127.0.0.1, and waits until it serves.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = Self::command(&folder, flags);
        Self::begin(folder, command)
    }

    /// As [`Service::start`], with a command made of [`Service::command`].
    pub(crate) fn begin(folder: TempDir, mut command: Command) -> Self {
        let first = command.spawn().unwrap();
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
    pub(crate) fn command(folder: &TempDir, flags: &[&str]) -> Command {
        Self::command_by(folder, flags, &[crate::PROGRAM])
    }

    /// What would start it by these words, the last of which is its program.
    pub(crate) fn command_by(folder: &TempDir, flags: &[&str], words: &[&str]) -> Command {
        let log = File::options().append(true).create(true).open(folder.path().join("log")).unwrap();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(flags).arg("--status").arg(folder.path().join("status.sock"));
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    pub(crate) fn status(&self) -> Status {
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
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.status().addresses[0].parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Signals go to the master that answers now.
    pub(crate) fn follow(&mut self) {
        self.pid = self.status().pid;
        // The first one may have ended, and would stay as a zombie.
        let _ = self.first.try_wait();
    }

    /// The end of what it said.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let from = log.len().saturating_sub(6000);
        log.get(from..).unwrap_or(&log).to_owned()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("status.sock")
    }

    /// The processes of its workers that are ready, by slot.
    pub(crate) fn ready(&self) -> Vec<u32> {
        let workers = self.status().workers.into_iter();
        workers.filter(|worker| worker.state == WorkerState::Ready).map(|worker| worker.pid).collect()
    }

    /// Waits until as many workers serve as are wanted, none on its way, and gives their processes, by slot.
    #[track_caller]
    pub(crate) fn settled(&self, workers: usize) -> Vec<u32> {
        self.until("all workers serve", || is_settled(self, workers));
        self.ready()
    }

    /// Waits for a condition.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        until(self, what, condition);
    }

    /// Waits until the master that was started first has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.first.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
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
pub(crate) fn kill(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal);
}

/// Neither gone nor a zombie that nobody has waited for. While one of its threads still ends, nobody can wait for it, although its first
/// thread is a zombie.
pub(crate) fn is_running(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the command, which may hold anything: proc_pid_stat(5).
        !matches!(stat.rsplit(") ").next().and_then(|rest| rest.chars().next()), Some('Z' | 'X') | None)
    })
}

/// With as many slots as `workers`, all of them serving, none on its way.
pub(crate) fn is_settled(service: &Service, workers: usize) -> bool {
    let status = service.status();
    status.state == State::Running
        && status.workers.len() == workers
        && status.workers.iter().all(|worker| worker.state == WorkerState::Ready)
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// As [`wait_for`], with the service's log.
#[track_caller]
pub(crate) fn until(service: &Service, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within a minute\n{}", service.log());
        std::thread::sleep(Duration::from_millis(2));
    }
}
