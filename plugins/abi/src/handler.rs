//! Handlers: a request in, a response out.

use crate::{Bytes, CreateArgs, Request, SizeFirst, Status, Text, TextSink};
use core::ffi::c_void;

/// What a plugin of kind handler offers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HandlerTable {
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
    /// Where the handler wants to be mounted: begins with `/`. A route that ends in `/` takes every path that begins with
    /// it; any other takes only itself. The operator may mount it elsewhere, see [`Request::mount`].
    pub route: Text,
    /// First of the methods it answers, such as `GET`. The host answers `HEAD` from `GET` and refuses the rest (405).
    pub methods: *const Text,
    /// Number of methods, at least 1.
    pub method_count: usize,
    /// Answers one request through `response`. Called by many threads at once; may block, a host gives it a thread that
    /// can be blocked or a deadline of its own.
    ///
    /// [`Status::OK`]: what was put into the response is sent, 200 with an empty body if nothing was. A failure: the
    /// response is dropped, the client gets 500, the message goes to the host's log only.
    pub handle: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            request: *const Request,
            response: *const ResponseSink,
            error: TextSink,
        ) -> Status,
    >,
    /// Since 1.1, may be absent. Whether the instance can do its work at this moment: [`Status::OK`], or a failure with
    /// the reason in the sink. Must answer from what it knows, without blocking. Called from any thread.
    pub health: Option<unsafe extern "C" fn(instance: *mut c_void, report: TextSink) -> Status>,
}

/// Takes the parts of a response. Borrowed for the call it is passed to; used by the thread that was called only.
///
/// The host copies what it is given before a function returns. Parts that HTTP forbids are refused with
/// [`Status::INVALID_ARGUMENT`] and leave the response as it was.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ResponseSink {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Handed to the functions unchanged.
    pub context: *mut c_void,
    /// Sets the status code, 200 to 599; the last call counts. Without a call it is 200.
    pub set_status: Option<unsafe extern "C" fn(context: *mut c_void, status: u32) -> Status>,
    /// Adds a header field. Fields of the connection (`connection`, `transfer-encoding`, `content-length`) are the host's.
    pub add_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text, value: Bytes) -> Status>,
    /// Appends to the body. [`Status::LIMIT_EXCEEDED`] if the host takes no body this long, [`Status::CLOSED`] if the
    /// client is gone: the handler should give up in both cases.
    pub write_body: Option<unsafe extern "C" fn(context: *mut c_void, chunk: Bytes) -> Status>,
}

// SAFETY: the contract makes a table and what it points to constant.
unsafe impl Send for HandlerTable {}
// SAFETY: as above.
unsafe impl Sync for HandlerTable {}

// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for HandlerTable {
    const MINIMUM_SIZE: usize = 64;
}
// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for ResponseSink {
    const MINIMUM_SIZE: usize = 40;
}
