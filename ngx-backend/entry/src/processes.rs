//! The two programs as processes, and all others that become children of process 1.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::identity::{self, Identity};
use crate::place;
use crate::supervise::{Exit, Who};

/// Those of the two that run.
#[derive(Debug)]
pub(crate) struct Processes {
    identity: Identity,
    daemon: Option<Pid>,
    nginx: Option<Pid>,
}

impl Processes {
    /// None yet.
    pub(crate) fn new(identity: Identity) -> Processes {
        Processes { identity, daemon: None, nginx: None }
    }

    /// Starts one.
    pub(crate) fn start(&mut self, who: Who) -> io::Result<Pid> {
        let pid = spawn(match who {
            Who::Daemon => daemon(self.identity),
            Who::Nginx => nginx(),
        })?;
        *self.slot(who) = Some(pid);
        Ok(pid)
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&mut self, who: Who, signal: Signal) -> io::Result<()> {
        match *self.slot(who) {
            Some(pid) => Ok(kill_process(pid, signal)?),
            None => Ok(()),
        }
    }

    /// Takes note of all that have ended, orphans among them, and gives those that count.
    pub(crate) fn reap(&mut self) -> io::Result<Vec<(Who, Exit)>> {
        let mut ended = Vec::new();
        loop {
            let (pid, status) = match wait(WaitOptions::NOHANG) {
                Ok(Some(found)) => found,
                Ok(None) | Err(Errno::CHILD) => return Ok(ended),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let byte = |number: Option<i32>| number.and_then(|number| u8::try_from(number).ok());
            let exit = match byte(status.terminating_signal()) {
                Some(signal) => Exit::Signal(signal),
                None => Exit::Code(byte(status.exit_status()).unwrap_or(u8::MAX)),
            };
            for who in [Who::Daemon, Who::Nginx] {
                if *self.slot(who) == Some(pid) {
                    *self.slot(who) = None;
                    ended.push((who, exit));
                }
            }
        }
    }

    fn slot(&mut self, who: Who) -> &mut Option<Pid> {
        match who {
            Who::Daemon => &mut self.daemon,
            Who::Nginx => &mut self.nginx,
        }
    }
}

/// Starts a program in a group of its own: a terminal's Ctrl-C is for process 1, which stops both in order. It is waited for with all others.
fn spawn(mut command: Command) -> io::Result<Pid> {
    let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    Ok(Pid::from_child(&child))
}

/// Where its sockets are is what nginx's configuration says; the rest is for its own variables.
fn daemon(identity: Identity) -> Command {
    let mut command = Command::new(place::DAEMON);
    // As in `docker run -e BACKEND_TOKEN=`; the daemon would take it for a token that is too short.
    for (name, _) in std::env::vars_os().filter(|(_, value)| value.is_empty()) {
        command.env_remove(name);
    }
    command.args(["--socket", place::API_SOCKET, "--publish", place::PUBLISHED]);
    command.args(["--resolver-socket", place::RESOLVER_SOCKET]);
    if identity == Identity::Root {
        command.args(["--user", identity::DAEMON_USER, "--group", identity::WORKERS]);
    }
    command
}

fn nginx() -> Command {
    let mut command = Command::new(place::NGINX);
    command.args(["-c", place::CONFIGURATION, "-e", "stderr", "-g", "daemon off;"]);
    // The token is none of its business.
    command.env_clear();
    command.envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TZ"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only test here that has children: others' would be waited for, too.
    #[test]
    fn orphans_are_waited_for_and_the_two_are_told_of() {
        let start = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            spawn(command).unwrap()
        };
        let orphan = start("exit 3");
        let mut processes = Processes::new(Identity::User);
        processes.daemon = Some(start("exit 2"));
        processes.nginx = Some(start("kill -9 $$"));
        let mut ended = Vec::new();
        let is_there = || std::path::Path::new(&format!("/proc/{}", orphan.as_raw_nonzero())).exists();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while ended.len() < 2 || is_there() {
            assert!(std::time::Instant::now() < deadline, "{ended:?} {processes:?}");
            ended.extend(processes.reap().unwrap());
            std::thread::yield_now();
        }
        ended.sort_by_key(|(who, _)| *who == Who::Nginx);
        assert_eq!(ended, [(Who::Daemon, Exit::Code(2)), (Who::Nginx, Exit::Signal(9))]);
        // Neither has a number any more that a signal could go to.
        assert_eq!((processes.daemon, processes.nginx), (None, None));
        assert!(processes.signal(Who::Nginx, Signal::KILL).is_ok());
    }

    #[test]
    fn the_daemon_drops_what_it_has_and_nginx_knows_no_token() {
        let words = |command: &Command| {
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert!(words(&daemon(Identity::Root)).ends_with("--user backend --group www-data"));
        for identity in [Identity::BoundRoot, Identity::User] {
            assert!(words(&daemon(identity)).ends_with("/run/backend/resolver.sock"));
        }
        let passed: Vec<_> = nginx().get_envs().map(|(name, _)| name.to_owned()).collect();
        assert!(passed.iter().all(|name| name == "PATH" || name == "TZ"), "{passed:?}");
    }
}
