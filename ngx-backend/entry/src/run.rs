//! Starts both programs and stays until they have ended.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::Mode;
use rustix::process::{Pid, Signal, getpid, set_child_subreaper, umask};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::client;
use crate::ground;
use crate::identity::Identity;
use crate::place;
use crate::processes::Processes;
use crate::settings::Settings;
use crate::supervise::{Action, Event, Exit, Supervisor, Who};

/// Between two looks whether the daemon is ready.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Runs until nginx has ended; gives its exit status.
///
/// # Errors
/// If it cannot start; what a program answered that could not start either is in its own words, before.
pub(crate) fn run() -> Result<u8> {
    let settings = Settings::read(|name| std::env::var_os(name))?;
    umask(Mode::WGRP | Mode::WOTH);
    server_log::start(server_log::Level::INFO);
    let identity = Identity::of_this_process()?;
    // Before there are threads, since credentials are theirs.
    identity.join_workers()?;
    adopt_orphans();
    let signals = listen_for_signals()?;
    ground::prepare(&settings, identity)?;
    greet(&settings, identity);
    let (supervisor, first) = Supervisor::new(settings.shutdown_deadline);
    let processes = Processes::new(identity);
    let mut service = Service { settings, identity, supervisor, processes, began: Instant::now() };
    service.serve(&signals, first)
}

/// Where an engine has put its own init before this process, orphans still come here. Emulators do not know of that.
fn adopt_orphans() {
    if getpid() != Pid::INIT
        && let Err(error) = set_child_subreaper(Some(getpid()))
    {
        tracing::warn!(%error, "orphans go to another process");
    }
}

fn greet(settings: &Settings, identity: Identity) {
    match identity {
        Identity::Root => {}
        Identity::BoundRoot => tracing::warn!(
            "runs as root without the capabilities CHOWN, SETGID and SETUID, so that everything runs as root"
        ),
        Identity::User => tracing::info!("not started as root, so that everything runs as one user"),
    }
    if !settings.has_token {
        tracing::warn!(
            "neither BACKEND_TOKEN nor BACKEND_TOKEN_FILE is set: entries are read and changed inside the container only, with `ngx-backend api`"
        );
    }
}

/// A thread that passes signals on; those that come before the first receive wait.
fn listen_for_signals() -> Result<Receiver<i32>> {
    let wanted = [SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let mut signals = Signals::new(wanted).context("cannot listen for signals")?;
    let (sender, receiver) = channel();
    let pass_on = move || {
        for signal in signals.forever() {
            if sender.send(signal).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(pass_on).context("cannot start a thread")?;
    Ok(receiver)
}

struct Service {
    settings: Settings,
    identity: Identity,
    supervisor: Supervisor,
    processes: Processes,
    began: Instant,
}

impl Service {
    fn serve(&mut self, signals: &Receiver<i32>, first: Vec<Action>) -> Result<u8> {
        let mut waiting = first;
        loop {
            while !waiting.is_empty() {
                let mut events = Vec::new();
                for action in std::mem::take(&mut waiting) {
                    if let Action::End(status) = action {
                        tracing::info!(status, "ended");
                        return Ok(status);
                    }
                    events.extend(self.perform(action)?);
                }
                waiting = self.decide(&events);
            }
            let events = self.wait(signals)?;
            waiting = self.decide(&events);
        }
    }

    fn decide(&mut self, events: &[Event]) -> Vec<Action> {
        let now = self.began.elapsed();
        events.iter().flat_map(|event| self.supervisor.on(*event, now)).collect()
    }

    /// Does it; a program that could not be started is one that has ended.
    fn perform(&mut self, action: Action) -> Result<Option<Event>> {
        let (who, signal) = match action {
            Action::Start(who) => {
                return Ok(match self.processes.start(who) {
                    Ok(pid) => {
                        tracing::info!(program = name(who), pid = pid.as_raw_nonzero().get(), "started");
                        None
                    }
                    Err(error) => {
                        tracing::error!(program = name(who), %error, "cannot start");
                        Some(Event::Ended(who, Exit::Code(1)))
                    }
                });
            }
            Action::ReloadNginx => {
                if let Err(error) = ground::write_configuration(&self.settings, self.identity) {
                    tracing::error!(error = format!("{error:#}"), "nginx keeps its configuration");
                    return Ok(None);
                }
                (Who::Nginx, Signal::HUP)
            }
            Action::Drain(Who::Nginx) => (Who::Nginx, Signal::QUIT),
            Action::Drain(Who::Daemon) => (Who::Daemon, Signal::TERM),
            Action::Terminate(who) => (who, Signal::TERM),
            Action::Kill(who) => (who, Signal::KILL),
            Action::End(_) => return Ok(None),
        };
        tracing::info!(program = name(who), signal = signal.as_raw(), "signalled");
        if let Err(error) = self.processes.signal(who, signal) {
            tracing::error!(program = name(who), %error, "cannot send a signal; process 1 needs the capability KILL");
        }
        Ok(None)
    }

    /// Waits for something to happen.
    fn wait(&mut self, signals: &Receiver<i32>) -> Result<Vec<Event>> {
        let until = self.supervisor.wakes();
        let left = until.map(|until| until.saturating_sub(self.began.elapsed()));
        let left = if self.supervisor.awaits_daemon() { Some(BETWEEN_LOOKS) } else { left };
        let first = match left {
            Some(left) => signals.recv_timeout(left),
            None => signals.recv().map_err(Into::into),
        };
        if first == Err(RecvTimeoutError::Disconnected) {
            anyhow::bail!("the thread that waits for signals has ended");
        }
        let mut events = Vec::new();
        for signal in first.into_iter().chain(signals.try_iter()) {
            match signal {
                SIGHUP => events.push(Event::Reload),
                SIGINT | SIGQUIT | SIGTERM => events.push(Event::Stop),
                _ => {}
            }
        }
        // Signals of one kind that come together are one: looked at each time, whatever has come.
        for (who, exit) in self.processes.reap().context("cannot wait for processes")? {
            match exit {
                Exit::Code(status) => tracing::info!(program = name(who), status, "ended"),
                Exit::Signal(signal) => tracing::warn!(program = name(who), signal, "killed"),
            }
            events.push(Event::Ended(who, exit));
        }
        if self.supervisor.awaits_daemon() && client::is_ready(place::API_SOCKET, place::PUBLISHED) {
            events.push(Event::Ready);
        }
        events.push(Event::Passed);
        Ok(events)
    }
}

fn name(who: Who) -> &'static str {
    match who {
        Who::Daemon => "backend",
        Who::Nginx => "nginx",
    }
}
