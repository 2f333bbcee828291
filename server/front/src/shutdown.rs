//! The end of the process: asked for by SIGTERM and SIGINT or by the program itself, seen by every thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why the process is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A signal asked for it.
    Signal,
    /// The program itself did.
    Program,
}

/// Tells when the process was told to stop; each copy for itself.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Receiver<Option<Reason>>,
    /// The same for those who only want to look, at every request, without a lock.
    flag: Arc<AtomicBool>,
}

/// Tells the process to stop.
#[derive(Clone, Debug)]
pub struct Stopper {
    teller: Arc<watch::Sender<Option<Reason>>>,
    flag: Arc<AtomicBool>,
}

impl Stop {
    /// Whether the process was told to stop.
    pub fn is_told(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Waits until the process was told to stop.
    pub async fn told(&mut self) {
        if self.told.wait_for(Option::is_some).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending().await
        }
    }

    /// Why it was told to stop, if it was.
    pub fn reason(&self) -> Option<Reason> {
        *self.told.borrow()
    }
}

impl Stopper {
    /// Has the process stop, and logs that it does so `because`. Nothing happens if it is stopping already.
    pub fn stop(&self, because: &str) {
        if self.tell(Reason::Program) {
            tracing::info!("stopping, because {because}");
        }
    }

    /// Says whether it was the first who told.
    fn tell(&self, reason: Reason) -> bool {
        self.flag.store(true, Ordering::Relaxed);
        self.teller.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(reason);
            first
        })
    }
}

/// Both ends, without signals: for a program that sees to them itself.
pub fn stopper() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    let flag = Arc::new(AtomicBool::new(false));
    let stop = Stop { told: receiver, flag: Arc::clone(&flag) };
    (Stopper { teller: Arc::new(sender), flag }, stop)
}

/// Starts the thread that waits for SIGTERM and SIGINT. A second signal ends the process at once with status 1,
/// for the operator who does not want to wait for the deadline.
///
/// # Errors
/// If the system does not give a thread, or what one needs to wait for signals.
pub fn listen_for_signals() -> std::io::Result<(Stopper, Stop)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (stopper, stop) = stopper();
    // Registered here and not in the thread: no signal may find the default action still in place.
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let from_signals = stopper.clone();
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            // Not within the macros, which evaluate nothing at a level that is not logged.
            let signal = next().await;
            tracing::info!(signal, "stopping");
            from_signals.tell(Reason::Signal);
            let signal = next().await;
            tracing::warn!(signal, "stopping at once");
            std::process::exit(1);
        });
    })?;
    Ok((stopper, stop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Nothing is logged here, as with `--log-level error`; the process lives on all the same.
    #[test]
    fn without_a_log_it_is_signals_that_end_it() {
        let (stopper, mut stop) = listen_for_signals().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let early =
            runtime.block_on(async { tokio::time::timeout(Duration::from_millis(200), stop.told()).await });
        assert!(early.is_err(), "{:?}", stop.reason());
        stopper.stop("the test is over");
        runtime.block_on(stop.told());
        assert_eq!(stop.reason(), Some(Reason::Program));
    }
}
