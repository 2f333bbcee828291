//! The end of the server: asked for by SIGTERM and SIGINT or by a change of the plugins, seen by every thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Why the server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A signal asked for it.
    Signal,
    /// The plugins changed, and whoever runs the server wants it started anew then.
    Change,
}

/// Tells when the process was told to stop; each copy for itself.
#[derive(Clone)]
pub(crate) struct Stop {
    told: watch::Receiver<Option<Reason>>,
    /// The same for those who only want to look, at every request, without a lock.
    flag: Arc<AtomicBool>,
}

/// Tells the server to stop.
#[derive(Clone)]
pub(crate) struct Stopper {
    teller: Arc<watch::Sender<Option<Reason>>>,
    flag: Arc<AtomicBool>,
}

impl Stop {
    /// Whether the process was told to stop.
    pub(crate) fn is_told(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Waits until the process was told to stop.
    pub(crate) async fn told(&mut self) {
        // The sender is gone only when the thread that listens for signals is, and then all is over.
        let _ = self.told.wait_for(Option::is_some).await;
    }

    /// Why it was told to stop, if it was.
    pub(crate) fn reason(&self) -> Option<Reason> {
        *self.told.borrow()
    }
}

impl Stopper {
    /// The plugins have changed. Nothing happens if the server is stopping already.
    pub(crate) fn stop_for_change(&self) {
        if self.stop(Reason::Change) {
            tracing::info!("stopping, because the plugins changed");
        }
    }

    /// Says whether it was the first who told.
    fn stop(&self, reason: Reason) -> bool {
        self.flag.store(true, Ordering::Relaxed);
        self.teller.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(reason);
            first
        })
    }
}

/// Starts the thread that waits for SIGTERM and SIGINT. A second signal ends the process at once,
/// for the operator who does not want to wait for the deadline.
pub(crate) fn listen_for_signals() -> std::io::Result<(Stopper, Stop)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (sender, receiver) = watch::channel(None);
    let flag = Arc::new(AtomicBool::new(false));
    let stop = Stop { told: receiver, flag: Arc::clone(&flag) };
    let stopper = Stopper { teller: Arc::new(sender), flag };
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
            tracing::info!(signal = next().await, "stopping");
            from_signals.stop(Reason::Signal);
            tracing::warn!(signal = next().await, "stopping at once");
            std::process::exit(1);
        });
    })?;
    Ok((stopper, stop))
}
