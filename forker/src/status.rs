//! What a master says of itself: JSON on its status socket, one object for each connection, then the end.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};

mod table;

pub use table::table;

/// A service. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What the master was called.
    pub name: String,
    /// The master's process id.
    pub pid: u32,
    /// What it is doing.
    pub state: State,
    /// How often the program was loaded successfully, from 1.
    pub generation: u32,
    /// Since the master was started.
    pub uptime_seconds: f64,
    /// Where it really listens.
    pub addresses: Vec<String>,
    /// `reuseport` or `inherit`.
    pub strategy: String,
    /// How many workers are wanted.
    pub workers_wanted: usize,
    /// Connections that all workers have accepted, those that are gone included.
    pub accepted: u64,
    /// Every process there is, by slot; in a reload a slot has two.
    pub workers: Vec<WorkerStatus>,
}

/// What a master is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not all workers have been ready yet.
    Booting,
    /// Serving.
    Running,
    /// Replacing workers.
    Reloading,
    /// Ending.
    Stopping,
}

/// One worker process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its place, from 0.
    pub slot: usize,
    /// Its process id.
    pub pid: u32,
    /// Which load of the program it runs.
    pub generation: u32,
    /// How far it is.
    pub state: WorkerState,
    /// Since it was started.
    pub uptime_seconds: f64,
    /// From its start until it was ready.
    pub ready_after_seconds: Option<f64>,
    /// How often the slot's worker died and was replaced.
    pub restarts: u32,
    /// How the slot's last process ended.
    pub last_exit: Option<String>,
    /// Connections that it has accepted.
    pub accepted: u64,
    /// CPU that it has used.
    pub cpu_seconds: Option<f64>,
    /// Memory in RAM.
    pub resident_bytes: Option<u64>,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// Not ready yet.
    Starting,
    /// Serving.
    Ready,
    /// Finishing what it has begun.
    Draining,
}

/// How long a master may take to answer: it is not busy, ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the master that answers there.
///
/// # Errors
/// No master answers, or something else does.
pub fn ask(path: &Path) -> io::Result<Status> {
    Ok(serde_json::from_slice(&ask_text(path)?.0)?)
}

/// As [`ask`], with the JSON as it came, and the master's process id as it is *here*, in case that the master lives in a container.
///
/// # Errors
/// No master answers.
pub fn ask_text(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let master = socket_peercred(&stream)?.pid;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let pid = u32::try_from(master.as_raw_pid()).map_err(io::Error::other)?;
    Ok((text, pid))
}
