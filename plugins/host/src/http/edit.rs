//! Changes that a middleware asks for, recorded while it runs and carried out afterwards: the views
//! that it was called with must not change under it.

use std::ffi::c_void;
use std::net::SocketAddr;

use plugin_abi::{Address, Bytes, SizeFirst, Status, Text};

use super::field;
use super::request::to_socket_address;
use super::response::{Response, final_status};
use crate::call::CallError;

/// A change to the request that whatever stands behind the middleware sees. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEdit {
    /// One field instead of all of that name.
    SetHeader(String, Vec<u8>),
    /// One more field.
    AddHeader(String, Vec<u8>),
    /// No field of that name.
    RemoveHeader(String),
    /// Another path and query.
    SetTarget(String, Option<String>),
    /// Another sender.
    SetPeer(SocketAddr),
}

/// Where a middleware puts its changes to a request during one call.
#[derive(Debug, Default)]
pub(crate) struct RequestEdits(Recorder<RequestEdit>);

/// Where a middleware puts its changes to a response during one call.
#[derive(Debug, Default)]
pub(crate) struct ResponseEdits(Recorder<ResponseEdit>);

#[derive(Debug)]
enum ResponseEdit {
    SetStatus(u16),
    SetHeader(String, Vec<u8>),
    AddHeader(String, Vec<u8>),
    RemoveHeader(String),
    SetBody(Vec<u8>),
}

#[derive(Debug)]
struct Recorder<E> {
    edits: Vec<E>,
    refusal: Option<String>,
}

impl<E> Default for Recorder<E> {
    fn default() -> Self {
        Self { edits: Vec::new(), refusal: None }
    }
}

impl<E> Recorder<E> {
    fn record(&mut self, edit: Result<E, String>) -> Status {
        match edit {
            Ok(edit) => {
                self.edits.push(edit);
                Status::OK
            }
            Err(message) => {
                self.refusal.get_or_insert(message);
                Status::INVALID_ARGUMENT
            }
        }
    }

    fn into_edits(self) -> Result<Vec<E>, CallError> {
        match self.refusal {
            None => Ok(self.edits),
            Some(message) => Err(CallError { status: Status::INVALID_ARGUMENT, message }),
        }
    }
}

impl RequestEdits {
    /// A sink that records here. Must not be used after `self` was touched again.
    pub(crate) fn sink(&mut self) -> plugin_abi::RequestEdit {
        plugin_abi::RequestEdit {
            size: plugin_abi::RequestEdit::SIZE,
            reserved: 0,
            context: std::ptr::from_mut(self).cast::<c_void>(),
            set_header: Some(request_set_header),
            add_header: Some(request_add_header),
            remove_header: Some(request_remove_header),
            set_target: Some(request_set_target),
            set_peer: Some(request_set_peer),
        }
    }

    pub(crate) fn into_edits(self) -> Result<Vec<RequestEdit>, CallError> {
        self.0.into_edits()
    }
}

impl ResponseEdits {
    /// A sink that records here. Must not be used after `self` was touched again.
    pub(crate) fn sink(&mut self) -> plugin_abi::ResponseEdit {
        plugin_abi::ResponseEdit {
            size: plugin_abi::ResponseEdit::SIZE,
            reserved: 0,
            context: std::ptr::from_mut(self).cast::<c_void>(),
            set_status: Some(response_set_status),
            set_header: Some(response_set_header),
            add_header: Some(response_add_header),
            remove_header: Some(response_remove_header),
            set_body: Some(response_set_body),
        }
    }

    /// Carries the changes out, all or none.
    pub(crate) fn apply(self, response: &mut Response) -> Result<(), CallError> {
        for edit in self.0.into_edits()? {
            match edit {
                ResponseEdit::SetStatus(status) => response.status = status,
                ResponseEdit::SetHeader(name, value) => {
                    response.headers.retain(|(other, _)| *other != name);
                    response.headers.push((name, value));
                }
                ResponseEdit::AddHeader(name, value) => response.headers.push((name, value)),
                ResponseEdit::RemoveHeader(name) => {
                    response.headers.retain(|(other, _)| *other != name);
                }
                ResponseEdit::SetBody(body) => response.body = body,
            }
        }
        Ok(())
    }
}

/// # Safety
/// `context` is that of a sink made by [`RequestEdits::sink`], in the call it was made for.
unsafe fn request_edits<'a>(context: *mut c_void) -> &'a mut Recorder<RequestEdit> {
    // SAFETY: the caller's promise; only the called thread uses the sink (contract).
    unsafe { &mut (*context.cast::<RequestEdits>()).0 }
}

/// # Safety
/// `context` is that of a sink made by [`ResponseEdits::sink`], in the call it was made for.
unsafe fn response_edits<'a>(context: *mut c_void) -> &'a mut Recorder<ResponseEdit> {
    // SAFETY: the caller's promise; only the called thread uses the sink (contract).
    unsafe { &mut (*context.cast::<ResponseEdits>()).0 }
}

/// # Safety
/// The plugin lends both for the running call.
unsafe fn read_field(name: Text, value: Bytes) -> Result<(String, Vec<u8>), String> {
    // SAFETY: the caller's promise.
    unsafe { Ok((field::name(name)?, field::value(value)?)) }
}

unsafe extern "C" fn request_set_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe {
        let edit = read_field(name, value).map(|(name, value)| RequestEdit::SetHeader(name, value));
        request_edits(context).record(edit)
    }
}

unsafe extern "C" fn request_add_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe {
        let edit = read_field(name, value).map(|(name, value)| RequestEdit::AddHeader(name, value));
        request_edits(context).record(edit)
    }
}

unsafe extern "C" fn request_remove_header(context: *mut c_void, name: Text) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe { request_edits(context).record(field::name(name).map(RequestEdit::RemoveHeader)) }
}

unsafe extern "C" fn request_set_target(context: *mut c_void, path: Text, query: Text) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe { request_edits(context).record(read_target(path, query)) }
}

unsafe extern "C" fn request_set_peer(context: *mut c_void, peer: *const Address) -> Status {
    // SAFETY: the contract of the sink: null or an address lent for this call.
    let address = unsafe { peer.as_ref() }.and_then(to_socket_address);
    let edit = address.map(RequestEdit::SetPeer).ok_or_else(|| "the new peer is no IP address".to_owned());
    // SAFETY: the contract of the sink: its own context.
    unsafe { request_edits(context) }.record(edit)
}

unsafe extern "C" fn response_set_status(context: *mut c_void, status: u32) -> Status {
    // SAFETY: the contract of the sink: its own context.
    unsafe { response_edits(context) }.record(final_status(status).map(ResponseEdit::SetStatus))
}

unsafe extern "C" fn response_set_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe {
        let edit = read_field(name, value).map(|(name, value)| ResponseEdit::SetHeader(name, value));
        response_edits(context).record(edit)
    }
}

unsafe extern "C" fn response_add_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe {
        let edit = read_field(name, value).map(|(name, value)| ResponseEdit::AddHeader(name, value));
        response_edits(context).record(edit)
    }
}

unsafe extern "C" fn response_remove_header(context: *mut c_void, name: Text) -> Status {
    // SAFETY: the contract of the sink: its own context, views lent for this call.
    unsafe { response_edits(context).record(field::name(name).map(ResponseEdit::RemoveHeader)) }
}

unsafe extern "C" fn response_set_body(context: *mut c_void, body: Bytes) -> Status {
    // SAFETY: the contract of the sink: a view lent for this call.
    let edit = unsafe { body.as_slice() }
        .map(|body| ResponseEdit::SetBody(body.to_vec()))
        .map_err(|error| format!("the new body is no view: {error}"));
    // SAFETY: the contract of the sink: its own context.
    unsafe { response_edits(context) }.record(edit)
}

/// # Safety
/// The plugin lends both for the running call.
unsafe fn read_target(path: Text, query: Text) -> Result<RequestEdit, String> {
    // SAFETY: the caller's promise.
    let path = unsafe { path.as_str() }.map_err(|error| format!("the new path is no text: {error}"))?;
    if !path.starts_with('/') || path.contains('?') || !is_target_text(path) {
        return Err(format!("{path:?} is no path"));
    }
    let query = if query.is_absent() {
        None
    } else {
        // SAFETY: the caller's promise.
        let text = unsafe { query.as_str() }.map_err(|error| format!("the new query is no text: {error}"))?;
        if !is_target_text(text) {
            return Err(format!("{text:?} is no query"));
        }
        Some(text.to_owned())
    };
    Ok(RequestEdit::SetTarget(path.to_owned(), query))
}

/// What may stand in a request line: visible ASCII, percent-encoded otherwise, and no fragment.
fn is_target_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}
