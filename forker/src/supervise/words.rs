//! What goes in and what comes out.

use std::fmt;
use std::time::Duration;

use crate::exit::Exit;

/// Time since the master was started.
pub(crate) type Moment = Duration;

/// One worker process of this master, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u64);

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A process could not be started.
    NotStarted { id: WorkerId, why: String },
    /// A worker serves.
    Ready { id: WorkerId },
    /// A worker lives. `beat` tells whether its own loop has beaten; `None` if it never does.
    Alive { id: WorkerId, beat: Option<bool> },
    /// A worker says why it is going to end.
    Said { id: WorkerId, why: String },
    /// A process has ended.
    Exited { id: WorkerId, exit: Exit },
    /// Nothing waits any more on the sockets of a slot that is to go.
    Drained { slot: usize },
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Reload,
    /// SIGTTIN.
    More,
    /// SIGTTOU.
    Fewer,
    /// SIGUSR1.
    Reopen,
    /// SIGUSR2.
    HandOver,
    /// The new master's workers are ready.
    SuccessorReady,
    /// The new master has ended, or could not be started.
    SuccessorFailed { why: String },
    /// The time has come that [`Supervisor::next_deadline`](super::Supervisor::next_deadline) gave.
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a worker from the program of a generation.
    Spawn { id: WorkerId, slot: usize, generation: u32 },
    /// Tell a worker to finish what it has begun and to end.
    Drain { id: WorkerId },
    /// Have a worker open its logs anew.
    Reopen { id: WorkerId },
    /// SIGKILL.
    Kill { id: WorkerId },
    /// Take the program that now lies on disk for this generation. If that fails, say [`Event::NotStarted`] to its spawns.
    TakeProgram { generation: u32 },
    /// The program of this generation and of those before it that no slot uses are not needed any more.
    KeepPrograms { generations: Vec<u32> },
    /// Close the sockets of all slots from this one on.
    Shrink { slots: usize },
    /// New connections are for these slots only.
    Steer { slots: Vec<usize> },
    /// All workers were ready for the first time.
    Announce,
    /// Start a new master.
    StartSuccessor,
    /// Kill it.
    KillSuccessor,
    /// Tell people.
    Tell(Note),
    /// No process is left: leave.
    End(Ending),
}

/// How a master ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was asked to.
    Asked,
    /// Another serves now.
    HandedOver,
    /// A worker did not get ready at the start.
    BootFailed(Death),
    /// Too many deaths within the window.
    TooManyDeaths(Vec<Death>),
}

/// The unwanted end of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Death {
    /// Whose.
    pub slot: usize,
    /// Why.
    pub cause: Cause,
}

/// Why a worker is gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// It ended, and may have said why.
    Exited(Exit, Option<String>),
    /// It was killed as it was not ready in time.
    NotReady(Duration),
    /// It was killed as its heart did not beat for so long.
    Silent(Duration),
    /// It could not be started.
    NotStarted(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit, None) => exit.fmt(formatter),
            Self::Exited(exit, Some(said)) => write!(formatter, "{exit}: {said}"),
            Self::NotReady(timeout) => write!(formatter, "not ready within {timeout:?}, killed"),
            Self::Silent(timeout) => write!(formatter, "no heartbeat for {timeout:?}, killed"),
            Self::NotStarted(why) => write!(formatter, "could not be started: {why}"),
        }
    }
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting { since: Moment },
    Ready { since: Moment },
    Draining { until: Moment },
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Ready {
        id: WorkerId,
        slot: usize,
        after: Duration,
    },
    /// An end that was asked for.
    Ended {
        id: WorkerId,
        slot: usize,
        exit: Exit,
    },
    Died {
        id: WorkerId,
        death: Death,
        back_in: Option<Duration>,
    },
    DeadlinePassed {
        id: WorkerId,
        slot: usize,
    },
    ReloadBegun {
        generation: u32,
    },
    ReloadDone {
        generation: u32,
    },
    /// The slots below have been replaced, this one and those above go on as they were.
    ReloadFailed {
        generation: u32,
        death: Death,
    },
    Resized {
        workers: usize,
    },
    Stopping {
        workers: usize,
    },
    Killing {
        workers: usize,
    },
    HandingOver,
    HandedOver,
    HandOverFailed {
        why: String,
    },
    /// What was asked for cannot be done now.
    Refused {
        asked: &'static str,
        because: &'static str,
    },
}
