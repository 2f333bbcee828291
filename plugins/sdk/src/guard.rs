//! The edge of the plugin: where panics stop.

use crate::Error;
use plugin_abi::{Status, TextSink};
use std::any::Any;
use std::mem;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs the plugin's side of a call. Whatever happens in it, this returns, with the message in the sink if it failed.
pub(crate) fn guard(error: TextSink, call: impl FnOnce() -> Result<Status, Error>) -> Status {
    let failure = match caught(call) {
        Ok(status) => return status,
        Err(failure) => failure,
    };
    // SAFETY: the sink was passed to the call that is running, on this thread.
    unsafe { error.put(failure.message()) };
    failure.status()
}

/// Runs the plugin's side of a call and turns a panic into an error with [`Status::PANICKED`].
///
/// A panic may leave the plugin's own state half-changed: its locks are poisoned, as after a panic in any thread, and
/// nothing of ours is shared with it.
pub(crate) fn caught<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        let message = message_of(&*payload);
        // Dropping it may panic once more, if someone panicked with a value of his own.
        mem::forget(payload);
        Err(Error::with_status(Status::PANICKED, message))
    })
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        format!("panicked: {text}")
    } else if let Some(text) = payload.downcast_ref::<String>() {
        format!("panicked: {text}")
    } else {
        "panicked without a message".to_owned()
    }
}
