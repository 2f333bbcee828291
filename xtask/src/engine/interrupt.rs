//! Ctrl-C: everything that was started is stopped, everything half-made is removed, and xtask ends with 130.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{self, Child};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The longest that an interrupt waits for running work to notice that it was stopped.
const GRACE: Duration = Duration::from_secs(15);

static WORK: Mutex<Work> = Mutex::new(Work { next: 0, running: BTreeMap::new(), interrupted: false });
static WORK_ENDED: Condvar = Condvar::new();

struct Work {
    next: u64,
    /// How to stop each piece of work, in the order in which they were begun.
    running: BTreeMap<u64, Option<Box<dyn FnOnce() + Send>>>,
    interrupted: bool,
}

/// Work that an interrupt must stop. Dropped when the work has ended, by itself or because it was stopped.
pub(crate) struct Guard(u64);

/// Stops all work on SIGINT, SIGTERM or SIGHUP and ends this process with 128 + signal. Called once, by `main`.
///
/// # Errors
/// The handler cannot be installed.
pub(crate) fn handle_interrupts() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot install the handler for Ctrl-C")?;
    thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                stop_everything();
                // Not by `eprintln!`: it panics where the terminal is gone, and then nobody would end this process.
                let _ = writeln!(io::stderr(), "\ninterrupted: everything that was started is stopped");
                process::exit(128 + signal);
            }
        })
        .context("cannot start the thread that waits for Ctrl-C")?;
    Ok(())
}

/// Registers `stop`, which is called from another thread at an interrupt, at most once, and must not block.
/// The interrupt then waits, for [`GRACE`] at most, until the guard is dropped.
pub(crate) fn on_interrupt(stop: impl FnOnce() + Send + 'static) -> Guard {
    let mut work = lock();
    let id = work.next;
    work.next += 1;
    if work.interrupted {
        stop();
        work.running.insert(id, None);
    } else {
        work.running.insert(id, Some(Box::new(stop)));
    }
    Guard(id)
}

/// Kills `child` at an interrupt. The guard must be dropped soon after the child was waited for.
pub(crate) fn kill_on_interrupt(child: &Child) -> Guard {
    // By descriptor, since the number may have gone to another process by then.
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    on_interrupt(move || {
        if let Ok(pidfd) = pidfd {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    })
}

/// Kills the process group that `child` leads at an interrupt, so with it what it has started. The guard must be dropped soon after
/// the child was waited for.
pub(crate) fn kill_group_on_interrupt(child: &Child) -> Guard {
    let group = Pid::from_child(child);
    on_interrupt(move || {
        let _ = kill_process_group(group, Signal::KILL);
    })
}

/// Returns at once, unless an interrupt is on its way: then it alone ends this process. `main` calls it before it
/// reports an error, which would only tell that work was stopped.
pub(crate) fn give_way_to_interrupt() {
    while interrupted() {
        thread::park();
    }
}

/// Whether an interrupt is on its way: work that fails now fails because it was stopped.
pub(crate) fn interrupted() -> bool {
    lock().interrupted
}

impl Drop for Guard {
    fn drop(&mut self) {
        lock().running.remove(&self.0);
        WORK_ENDED.notify_all();
    }
}

fn stop_everything() {
    let mut work = lock();
    work.interrupted = true;
    for stop in work.running.values_mut() {
        if let Some(stop) = stop.take() {
            stop();
        }
    }
    let _ = WORK_ENDED.wait_timeout_while(work, GRACE, |work| !work.running.is_empty());
}

fn lock() -> MutexGuard<'static, Work> {
    WORK.lock().unwrap_or_else(PoisonError::into_inner)
}
