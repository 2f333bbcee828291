//! Caches: values by key until they expire, answered at once or later.

use crate::{Bytes, CreateArgs, SizeFirst, Status, Text, TextSink};
use core::ffi::c_void;

/// What a plugin of kind cache offers.
///
/// `get`, `set` and `remove` answer through their [`Completion`] alone, exactly once, before they return or later. They
/// must not block. Keys and values are borrowed for the call. Before `destroy` returns, every completion that is still
/// open has been answered.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CacheTable {
    /// Size of this structure in bytes, as the plugin knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Makes an instance; see [`CreateArgs`].
    pub create: Option<
        unsafe extern "C" fn(args: *const CreateArgs, instance: *mut *mut c_void, error: TextSink) -> Status,
    >,
    /// Ends an instance; see [`CreateArgs`].
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Looks up a key: [`Status::OK`] with the value, [`Status::NOT_FOUND`], or a failure.
    pub get: Option<unsafe extern "C" fn(instance: *mut c_void, key: Bytes, completion: Completion)>,
    /// Stores a value under a key for `ttl_ms` milliseconds, 0 for no expiry; an older value is replaced, with its expiry.
    /// [`Status::OK`] once a following `get` would see it, or a failure.
    pub set: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            key: Bytes,
            value: Bytes,
            ttl_ms: u64,
            completion: Completion,
        ),
    >,
    /// Removes a key: [`Status::OK`] if it was there, [`Status::NOT_FOUND`] if not, or a failure.
    pub remove: Option<unsafe extern "C" fn(instance: *mut c_void, key: Bytes, completion: Completion)>,
    /// Since 1.1, may be absent; as in [`HandlerTable::health`](crate::HandlerTable::health).
    pub health: Option<unsafe extern "C" fn(instance: *mut c_void, report: TextSink) -> Status>,
}

/// How a cache answers one call. The layout is final.
///
/// The host keeps what `context` points to until `done` was called. `done` may be called from any thread, also from the
/// one that made the call before it returns, so a host must hold no lock across the call that `done` takes as well.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// Handed to `done` unchanged.
    pub context: *mut c_void,
    /// Takes the answer; copies `value` (absent unless a `get` found one) and `message` (absent unless `status` is a
    /// failure). Must be called exactly once; does not block. Never null.
    pub done: Option<unsafe extern "C" fn(context: *mut c_void, status: Status, value: Bytes, message: Text)>,
}

// SAFETY: the contract makes a table and what it points to constant.
unsafe impl Send for CacheTable {}
// SAFETY: as above.
unsafe impl Sync for CacheTable {}
// SAFETY: the contract lets any thread answer.
unsafe impl Send for Completion {}

// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for CacheTable {
    const MINIMUM_SIZE: usize = 48;
}
