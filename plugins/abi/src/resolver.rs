//! Resolvers: from a host name to the upstreams that serve it, without blocking.

use crate::{Address, CreateArgs, SizeFirst, Status, Text, TextSink};
use core::ffi::c_void;

/// What a plugin of kind resolver offers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ResolverTable {
    /// Size of this structure in bytes, as the plugin knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Makes an instance; see [`CreateArgs`].
    pub create: Option<
        unsafe extern "C" fn(args: *const CreateArgs, instance: *mut *mut c_void, error: TextSink) -> Status,
    >,
    /// Ends an instance; see [`CreateArgs`]. Wakes every [`Waker`] that is still held before it returns.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Finds the upstreams of `host` (lower case, no port) and puts them into `upstreams`. Must not block: it runs on the
    /// thread that serves all other connections too.
    ///
    /// [`Status::OK`]: at least one upstream was put. [`Status::NOT_FOUND`]: the host is not known.
    /// [`Status::PENDING`]: not known yet; the plugin has kept `waker` and will wake it exactly once, after which the host
    /// asks again. With every other status `waker` was not kept. A failure: the message is in the sink.
    pub resolve: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            host: Text,
            upstreams: *const UpstreamSink,
            waker: Waker,
            error: TextSink,
        ) -> Status,
    >,
    /// Tells how an upstream fared, so that the plugin can leave failing ones out for a while. `outcome` is one of the
    /// `OUTCOME_` constants. Must not block. May be absent.
    pub report: Option<
        unsafe extern "C" fn(instance: *mut c_void, host: Text, upstream: *const Upstream, outcome: u32),
    >,
    /// Since 1.1, may be absent; as in [`HandlerTable::health`](crate::HandlerTable::health).
    pub health: Option<unsafe extern "C" fn(instance: *mut c_void, report: TextSink) -> Status>,
}

/// One server that serves a host. Borrowed for the call that passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Upstream {
    /// Size of this structure in bytes, as the writer knows it.
    pub size: u32,
    /// Share of the requests relative to the other upstreams of the host, at least 1.
    pub weight: u32,
    /// Where it listens.
    pub address: Address,
    /// How it was configured, for logs and `Host`; the path if the address is a unix socket. May be absent otherwise.
    pub name: Text,
}

/// Takes upstreams. Borrowed for the call it is passed to; used by the thread that was called only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct UpstreamSink {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Handed to `add` unchanged.
    pub context: *mut c_void,
    /// Copies one upstream; the order is the order of preference among equal weights.
    pub add: Option<unsafe extern "C" fn(context: *mut c_void, upstream: *const Upstream) -> Status>,
}

/// How a resolver says that asking again is worth it. The layout is final.
///
/// The host keeps what `context` points to until `wake` was called; `wake` may come from any thread, also before the call
/// that answers [`Status::PENDING`] has returned.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Waker {
    /// Handed to `wake` unchanged.
    pub context: *mut c_void,
    /// Does not block. Null if the host cannot wait: the plugin must not answer [`Status::PENDING`] then.
    pub wake: Option<unsafe extern "C" fn(context: *mut c_void)>,
}

/// Outcome of using an upstream: it answered.
pub const OUTCOME_OK: u32 = 0;
/// Outcome of using an upstream: the connection was refused or broke.
pub const OUTCOME_FAILED: u32 = 1;
/// Outcome of using an upstream: it did not answer in time.
pub const OUTCOME_TIMED_OUT: u32 = 2;

// SAFETY: the contract makes a table and what it points to constant.
unsafe impl Send for ResolverTable {}
// SAFETY: as above.
unsafe impl Sync for ResolverTable {}
// SAFETY: the contract lets any thread wake.
unsafe impl Send for Waker {}

// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for ResolverTable {
    const MINIMUM_SIZE: usize = 40;
}
// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for Upstream {
    const MINIMUM_SIZE: usize = 48;
}
// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for UpstreamSink {
    const MINIMUM_SIZE: usize = 24;
}
