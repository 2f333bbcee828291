//! Why a master could not start, or gave up.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::socket::SocketError;
use crate::socket::systemd::SystemdError;
use crate::start::MarkerError;
use crate::supervise::{Cause, Death};

/// Why a master could not start, or gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to listen on.
    #[error("no address to listen on was given")]
    NoAddress,
    /// No workers.
    #[error("a master needs at least one worker")]
    NoWorker,
    /// The process is not what its environment says.
    #[error(transparent)]
    Marker(#[from] MarkerError),
    /// A socket could not be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// What systemd handed out cannot be used.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// More descriptors are needed than the process may have.
    #[error(
        "{workers} workers need about {needed} open files in the master, but only {limit} are allowed; \
         start fewer, or raise the limit (ulimit -n, LimitNOFILE=)"
    )]
    TooFewDescriptors {
        /// Workers that were asked for.
        workers: usize,
        /// An estimate.
        needed: u64,
        /// RLIMIT_NOFILE.
        limit: u64,
    },
    /// The program cannot be opened to be run again.
    #[error("cannot find the program of this process")]
    Program(#[source] io::Error),
    /// Signals, or what tells of them.
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    /// The status socket.
    #[error("cannot listen for questions about the status on {}", path.display())]
    Status {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Waiting for events failed.
    #[error("cannot wait for workers")]
    Wait(#[source] io::Error),
    /// A worker did not get ready at the start.
    #[error("worker {} did not get ready: {}", .0.slot, .0.cause)]
    BootFailed(Death),
    /// Workers died too often.
    #[error("{} within {window:?}: {}", Deaths(deaths.len()), Causes(deaths))]
    TooManyDeaths {
        /// All that counted, the oldest first.
        deaths: Vec<Death>,
        /// The time in which they were counted.
        window: Duration,
    },
}

impl Error {
    /// For the end of a program: 1 if it could not start, 3 if it has given up.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::TooManyDeaths { .. } => 3,
            _ => 1,
        }
    }
}

struct Deaths(usize);

impl fmt::Display for Deaths {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => formatter.write_str("a worker died"),
            count => write!(formatter, "{count} deaths of workers"),
        }
    }
}

/// The same causes in one, with how often and where.
struct Causes<'a>(&'a [Death]);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut grouped: BTreeMap<&Cause, Vec<usize>> = BTreeMap::new();
        for death in self.0 {
            grouped.entry(&death.cause).or_default().push(death.slot);
        }
        for (number, (cause, mut slots)) in grouped.into_iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            let times = slots.len();
            slots.sort_unstable();
            slots.dedup();
            let slots: Vec<_> = slots.iter().map(ToString::to_string).collect();
            write!(formatter, "{separator}{times} × {cause} (worker {})", slots.join(", "))?;
        }
        Ok(())
    }
}

/// An error with all that led to it.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn too_many_deaths_are_named_by_their_causes() {
        let death = |slot, exit| Death { slot, cause: Cause::Exited(exit, None) };
        let deaths = vec![
            death(1, Exit::Code(3)),
            death(0, Exit::Signal(11)),
            death(0, Exit::Code(3)),
            death(1, Exit::Code(3)),
        ];
        let error = Error::TooManyDeaths { deaths, window: Duration::from_secs(60) };
        let said = "4 deaths of workers within 60s: 3 × exit code 3 (worker 0, 1); 1 × SIGSEGV (worker 0)";
        assert_eq!(error.to_string(), said);
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn a_chain_says_nothing_twice() {
        let inner = io::Error::other("no such thing");
        let error = Error::Program(inner);
        assert_eq!(chain(&error), "cannot find the program of this process: no such thing");
    }
}
