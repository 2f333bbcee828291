//! Middlewares: before and after the handler, or instead of it.

use crate::{Address, Bytes, CreateArgs, Header, Request, ResponseSink, SizeFirst, Status, Text, TextSink};
use core::ffi::c_void;

/// What a plugin of kind middleware offers.
///
/// The host calls `before` of its middlewares in order, and `after` of those that said *continue* in the reverse order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct MiddlewareTable {
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
    /// Sees a request before the handler. Called by many threads at once.
    ///
    /// [`Status::OK`]: continue, with the request as edited; `after` will be called exactly once with what was stored to
    /// `state` (null if nothing was). [`Status::ANSWERED`]: the response put into `response` is sent, nothing behind this
    /// middleware is called, nor its own `after`. A failure: as for a handler, and `after` is not called.
    pub before: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            request: *const Request,
            edit: *const RequestEdit,
            response: *const ResponseSink,
            state: *mut *mut c_void,
            error: TextSink,
        ) -> Status,
    >,
    /// Sees the response on its way back, and ends the request's state. Called exactly once for each `before` that said
    /// continue, perhaps on another thread.
    ///
    /// `response` and `edit` are null if there is no response (the client went away, the server shuts down): the state
    /// must be ended all the same. A failure: the response is dropped and the client gets 500.
    pub after: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            request: *const Request,
            response: *const ResponseView,
            edit: *const ResponseEdit,
            state: *mut c_void,
            error: TextSink,
        ) -> Status,
    >,
    /// Since 1.1, may be absent; as in [`HandlerTable::health`](crate::HandlerTable::health).
    pub health: Option<unsafe extern "C" fn(instance: *mut c_void, report: TextSink) -> Status>,
}

/// Changes the request that the next middleware and the handler see. Same rules as [`ResponseSink`].
///
/// The view the middleware was called with does not change.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RequestEdit {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Handed to the functions unchanged.
    pub context: *mut c_void,
    /// Replaces all fields of that name by one.
    pub set_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text, value: Bytes) -> Status>,
    /// Adds a field, keeping others of that name.
    pub add_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text, value: Bytes) -> Status>,
    /// Removes all fields of that name; none is fine.
    pub remove_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text) -> Status>,
    /// Replaces path and query. An absent query means that there is none. Routing follows the new path.
    pub set_target: Option<unsafe extern "C" fn(context: *mut c_void, path: Text, query: Text) -> Status>,
    /// Replaces the address of the peer, as one does behind a trusted proxy.
    pub set_peer: Option<unsafe extern "C" fn(context: *mut c_void, peer: *const Address) -> Status>,
}

/// A response on its way back. Borrowed for the call it is passed to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ResponseView {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Status code, 200 to 599.
    pub status: u32,
    /// First header.
    pub headers: *const Header,
    /// Number of headers.
    pub header_count: usize,
    /// The whole body.
    pub body: Bytes,
}

/// Changes a response on its way back. Same rules as [`ResponseSink`]; the view does not change.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ResponseEdit {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Zero.
    pub reserved: u32,
    /// Handed to the functions unchanged.
    pub context: *mut c_void,
    /// Replaces the status code, 200 to 599.
    pub set_status: Option<unsafe extern "C" fn(context: *mut c_void, status: u32) -> Status>,
    /// Replaces all fields of that name by one.
    pub set_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text, value: Bytes) -> Status>,
    /// Adds a field, keeping others of that name.
    pub add_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text, value: Bytes) -> Status>,
    /// Removes all fields of that name; none is fine.
    pub remove_header: Option<unsafe extern "C" fn(context: *mut c_void, name: Text) -> Status>,
    /// Replaces the whole body; the host sees to `content-length`.
    pub set_body: Option<unsafe extern "C" fn(context: *mut c_void, body: Bytes) -> Status>,
}

// SAFETY: the contract makes a table and what it points to constant.
unsafe impl Send for MiddlewareTable {}
// SAFETY: as above.
unsafe impl Sync for MiddlewareTable {}

// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for MiddlewareTable {
    const MINIMUM_SIZE: usize = 40;
}
// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for RequestEdit {
    const MINIMUM_SIZE: usize = 56;
}
// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for ResponseView {
    const MINIMUM_SIZE: usize = 40;
}
// SAFETY: `repr(C)`, `u32` size first, integers, pointers and optional functions only.
unsafe impl SizeFirst for ResponseEdit {
    const MINIMUM_SIZE: usize = 56;
}
