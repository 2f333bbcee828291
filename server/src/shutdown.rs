//! Being told to stop: SIGTERM and SIGINT, seen by every thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when the process was told to stop; each copy for itself.
#[derive(Clone)]
pub(crate) struct Stop {
    told: watch::Receiver<bool>,
    /// The same for those who only want to look, at every request, without a lock.
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
        let _ = self.told.wait_for(|told| *told).await;
    }
}

/// Starts the thread that waits for SIGTERM and SIGINT. A second signal ends the process at once,
/// for the operator who does not want to wait for the deadline.
pub(crate) fn listen_for_signals() -> std::io::Result<Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (sender, receiver) = watch::channel(false);
    let flag = Arc::new(AtomicBool::new(false));
    let stop = Stop { told: receiver, flag: Arc::clone(&flag) };
    // Registered here and not in the thread: no signal may find the default action still in place.
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async move {
            let mut next = async || {
                tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                }
            };
            tracing::info!(signal = next().await, "stopping");
            flag.store(true, Ordering::Relaxed);
            // Nobody listens any more only if the server is gone already.
            let _ = sender.send(true);
            tracing::warn!(signal = next().await, "stopping at once");
            std::process::exit(1);
        });
    })?;
    Ok(stop)
}
