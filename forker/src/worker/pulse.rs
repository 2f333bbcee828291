//! What tells the master how a worker is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::control::Control;

/// Counts connections and shows that the worker's own loop goes round. Cheap to clone and to call, from any thread.
///
/// The process itself shows by a thread of its own that it has not been stopped. Whether it *serves* only its loop can show, by
/// [`beat`](Pulse::beat): from a task of the runtime that handles connections, a turn of an accept loop, a timer of an event loop, every
/// [`heartbeat_interval`](super::Worker::heartbeat_interval). From the first beat on, which
/// is best given before [`ready`](super::Worker::ready), the master expects them, and replaces a
/// worker that has not beaten for its timeout. A worker that never beats is not asked to.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Control>);

impl Pulse {
    pub(super) fn of(control: &Arc<Control>) -> Self {
        Self(Arc::clone(control))
    }

    /// The worker's loop is alive.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more connections were accepted.
    pub fn accepted(&self, connections: u64) {
        self.0.accepted.fetch_add(connections, Ordering::Relaxed);
    }
}
