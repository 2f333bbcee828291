//! Which cores a thread, and what it starts, runs on.

use std::io;
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Runs `what` on a thread of its own that is kept to `cores`, as are all processes and threads that it starts; none leaves it as it is.
pub(crate) fn on<T: Send>(cores: &[usize], what: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let run = || {
        keep_to(cores)?;
        what()
    };
    thread::scope(|scope| match scope.spawn(run).join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Keeps the calling thread, and what it starts, to `cores`; none leaves it as it is.
///
/// # Errors
/// A core that there is not, or that this process may not have (sched_setaffinity(2)).
pub fn keep_to(cores: &[usize]) -> io::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &core in cores {
        if core >= CpuSet::MAX_CPU {
            return Err(io::Error::other(format!("there is no core {core}")));
        }
        set.set(core);
    }
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("cannot run on the cores {cores:?}: {error}")))
}
