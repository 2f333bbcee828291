//! Being told to stop: SIGTERM and SIGINT, seen by every thread.

use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true when the process was told to stop.
pub(crate) type Stop = watch::Receiver<bool>;

/// Starts the thread that waits for SIGTERM and SIGINT. A second signal ends the process at once,
/// for the operator who does not want to wait for the deadline.
pub(crate) fn listen_for_signals() -> std::io::Result<Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (sender, receiver) = watch::channel(false);
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
            // Nobody listens any more only if the server is gone already.
            let _ = sender.send(true);
            tracing::warn!(signal = next().await, "stopping at once");
            std::process::exit(1);
        });
    })?;
    Ok(receiver)
}
