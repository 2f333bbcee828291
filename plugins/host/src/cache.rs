//! Caches: values by key until they expire, answered at once or later.

use std::ffi::c_void;
use std::time::Duration;

use plugin_abi::{Bytes, CacheTable, Completion, Status, Text};

use crate::call::{CallError, copy_text};
use crate::environment::HostEnvironment;
use crate::instance::{CreateError, Instance, Settings};
use crate::plugin::Plugin;
use crate::reply::{self, Promise, Reply};

/// An instance of a cache plugin. Ended when dropped; open answers come before that.
#[derive(Debug)]
pub struct CacheInstance {
    instance: Instance<CacheTable>,
}

impl CacheInstance {
    /// Makes an instance. May block.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        Ok(Self { instance: Instance::create(plugin, host, settings)? })
    }

    /// Looks up a key; `None` if there is no live value.
    ///
    /// Does not block. The reply may be dropped; the answer is then lost. As for all calls here: from any
    /// thread, several at once.
    pub fn get(&self, key: &[u8]) -> Reply<Result<Option<Vec<u8>>, CallError>> {
        self.start("get", read_found, |table, instance, completion| {
            // SAFETY: the instance lives, the key during the call, the completion until it is used.
            table.get.map(|get| unsafe { get(instance, Bytes::new(key), completion) })
        })
    }

    /// Stores a value for `lifetime`, or without expiry; an older value is replaced, with its expiry.
    ///
    /// A lifetime is counted in whole milliseconds, and less than one counts as one.
    pub fn set(&self, key: &[u8], value: &[u8], lifetime: Option<Duration>) -> Reply<Result<(), CallError>> {
        let milliseconds =
            lifetime.map_or(0, |lifetime| u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1));
        self.start("set", read_done, |table, instance, completion| {
            let (key, value) = (Bytes::new(key), Bytes::new(value));
            // SAFETY: the instance lives, the views during the call, the completion until it is used.
            table.set.map(|set| unsafe { set(instance, key, value, milliseconds, completion) })
        })
    }

    /// Removes a key; says whether it was there.
    pub fn remove(&self, key: &[u8]) -> Reply<Result<bool, CallError>> {
        self.start("remove", read_removed, |table, instance, completion| {
            // SAFETY: the instance lives, the key during the call, the completion until it is used.
            table.remove.map(|remove| unsafe { remove(instance, Bytes::new(key), completion) })
        })
    }

    /// Whether it can do its work at this moment.
    ///
    /// # Errors
    /// Its reason, if it cannot.
    pub fn health(&self) -> Result<(), CallError> {
        self.instance.health()
    }

    /// Makes a call with a completion; `None` from `call` means that it was not made.
    fn start<T: Send + 'static>(
        &self,
        name: &str,
        read: fn(Answer) -> Result<T, CallError>,
        call: impl FnOnce(&CacheTable, *mut c_void, Completion) -> Option<()>,
    ) -> Reply<Result<T, CallError>> {
        let (promise, reply) = reply::channel();
        let pending = Box::into_raw(Box::new(Pending { promise, read }));
        let completion = Completion { context: pending.cast::<c_void>(), done: Some(done::<T>) };
        if call(self.instance.table(), self.instance.pointer(), completion).is_none() {
            // SAFETY: the call was not made, so nobody else has the pointer.
            let pending = unsafe { Box::from_raw(pending) };
            pending.promise.keep(Err(CallError::unsupported(name)));
        }
        reply
    }
}

/// What a plugin answered, copied.
struct Answer {
    status: Status,
    value: Option<Vec<u8>>,
    message: String,
}

struct Pending<T> {
    promise: Promise<Result<T, CallError>>,
    read: fn(Answer) -> Result<T, CallError>,
}

unsafe extern "C" fn done<T>(context: *mut c_void, status: Status, value: Bytes, message: Text) {
    // SAFETY: the contract has a plugin call this exactly once for each completion, with its context.
    let pending = unsafe { Box::from_raw(context.cast::<Pending<T>>()) };
    // SAFETY: the plugin lends both for this call.
    let (value, message) = unsafe { (value.as_slice(), copy_text(message)) };
    let answer = match value {
        Ok(bytes) => Answer { status, value: Some(bytes.to_vec()), message },
        Err(error) => Answer {
            status: Status::INVALID_ARGUMENT,
            value: None,
            message: format!("the value is no view: {error}"),
        },
    };
    pending.promise.keep((pending.read)(answer));
}

fn read_found(answer: Answer) -> Result<Option<Vec<u8>>, CallError> {
    match answer.status {
        Status::OK => Ok(answer.value),
        Status::NOT_FOUND => Ok(None),
        status => Err(CallError { status, message: answer.message }),
    }
}

fn read_done(answer: Answer) -> Result<(), CallError> {
    match answer.status {
        Status::OK => Ok(()),
        status => Err(CallError { status, message: answer.message }),
    }
}

fn read_removed(answer: Answer) -> Result<bool, CallError> {
    match answer.status {
        Status::OK => Ok(true),
        Status::NOT_FOUND => Ok(false),
        status => Err(CallError { status, message: answer.message }),
    }
}
