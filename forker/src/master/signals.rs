//! Signals to the master.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::supervise::Event;

/// Readable when there are some. A pipe and no signalfd, which would have to block signals in every thread of the program.
pub(super) struct Signals(SignalDelivery<UnixStream, SignalOnly>);

impl Signals {
    pub(super) fn register() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let all = [SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2];
        SignalDelivery::with_pipe(read, write, SignalOnly, all).map(Self)
    }

    /// What is asked by those that have come, and whether a child may have ended. The same one, sent twice between two looks, is
    /// one, as always with signals.
    pub(super) fn take(&mut self) -> (Vec<Event>, bool) {
        let all: Vec<_> = self.0.pending().collect();
        (all.iter().filter_map(|signal| event(*signal)).collect(), all.contains(&SIGCHLD))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

fn event(signal: i32) -> Option<Event> {
    match signal {
        SIGTERM | SIGINT => Some(Event::Stop),
        SIGQUIT => Some(Event::Quit),
        SIGHUP => Some(Event::Reload),
        SIGTTIN => Some(Event::More),
        SIGTTOU => Some(Event::Fewer),
        SIGUSR1 => Some(Event::Reopen),
        SIGUSR2 => Some(Event::HandOver),
        _ => None,
    }
}
