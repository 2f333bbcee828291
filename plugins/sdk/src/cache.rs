//! Caches: values by key until they expire, answered at once or later.

use crate::{Error, Plugin};
use plugin_abi::{Bytes, Completion, Status, Text};
use std::time::Duration;

/// A plugin that keeps values by key.
///
/// Each call is answered through the value it is given, at once or later from any thread, and must not block. A
/// [`Lookup`] or [`Acknowledgement`] that is dropped answers with a failure, so that no host waits for ever; an instance
/// that is dropped must drop those it still holds.
pub trait Cache: Plugin {
    /// Looks up a key.
    fn get(&self, key: &[u8], lookup: Lookup);

    /// Stores a value under a key for that long, `None` for ever; an older value is replaced, with its expiry.
    fn set(&self, key: &[u8], value: &[u8], time_to_live: Option<Duration>, acknowledgement: Acknowledgement);

    /// Removes a key.
    fn remove(&self, key: &[u8], acknowledgement: Acknowledgement);
}

/// Answers a `get`.
#[derive(Debug)]
pub struct Lookup(Open);

/// Answers a `set` or `remove`.
#[derive(Debug)]
pub struct Acknowledgement(Open);

impl Lookup {
    pub(crate) fn new(completion: Completion) -> Lookup {
        Lookup(Open(Some(completion)))
    }

    /// The key has this value.
    pub fn hit(self, value: &[u8]) {
        self.0.close(Status::OK, Bytes::new(value), Text::ABSENT);
    }

    /// The key has no live value.
    pub fn miss(self) {
        self.0.close(Status::NOT_FOUND, Bytes::ABSENT, Text::ABSENT);
    }

    /// The cache cannot say.
    pub fn fail(self, error: &Error) {
        self.0.fail(error);
    }
}

impl Acknowledgement {
    pub(crate) fn new(completion: Completion) -> Acknowledgement {
        Acknowledgement(Open(Some(completion)))
    }

    /// It is done: a following `get` sees it.
    pub fn done(self) {
        self.0.close(Status::OK, Bytes::ABSENT, Text::ABSENT);
    }

    /// There was nothing to remove.
    pub fn not_found(self) {
        self.0.close(Status::NOT_FOUND, Bytes::ABSENT, Text::ABSENT);
    }

    /// It was not done.
    pub fn fail(self, error: &Error) {
        self.0.fail(error);
    }
}

/// A completion that was not called yet.
#[derive(Debug)]
struct Open(Option<Completion>);

impl Open {
    fn fail(self, error: &Error) {
        self.close(error.status(), Bytes::ABSENT, Text::new(error.message()));
    }

    fn close(mut self, status: Status, value: Bytes, message: Text) {
        self.call(status, value, message);
    }

    fn call(&mut self, status: Status, value: Bytes, message: Text) {
        if let Some(Completion { context, done: Some(done) }) = self.0.take() {
            // SAFETY: the host keeps the context until this call, which is the only one: the completion was taken.
            unsafe { done(context, status, value, message) }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (status, message) = if std::thread::panicking() {
            (Status::PANICKED, "the cache panicked before it answered")
        } else {
            (Status::FAILED, "the cache dropped the call without an answer")
        };
        self.call(status, Bytes::ABSENT, Text::new(message));
    }
}
