//! What a master and the processes that it starts say to each other.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// To a process that a master started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ToChild {
    /// The first message. As many descriptors follow as it says: standard input, then the sockets.
    Hello(Hello),
    /// Finish what has begun, and end.
    Drain,
    /// Open the logs anew.
    Reopen,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Hello {
    Worker(WorkerHello),
    Successor(SuccessorHello),
}

/// To a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkerHello {
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    /// The program's name among processes.
    pub(crate) command: String,
    pub(crate) sockets: usize,
    /// The core to stay on.
    pub(crate) core: Option<usize>,
    pub(crate) heartbeat_interval: Duration,
}

/// To a new master.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SuccessorHello {
    pub(crate) command: String,
    /// Where the program lies.
    pub(crate) program: PathBuf,
    /// How many sockets each slot has; the descriptors come in this order.
    pub(crate) rows: Vec<usize>,
}

/// To a master.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ToMaster {
    /// A worker serves, or the workers of a new master do.
    Ready,
    /// A worker lives.
    Alive { accepted: u64, beats: u64 },
    /// It is going to end, and why.
    Failed { why: String },
}
