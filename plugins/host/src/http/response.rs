//! A response as a plugin gives it, checked part by part.

use std::ffi::c_void;

use plugin_abi::{Bytes, ResponseSink, SizeFirst, Status, Text};

use super::field;
use crate::call::CallError;

/// A response that a plugin gave. Names are in lower case, and names, values and status are what HTTP
/// allows and a plugin may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// The fields in the order they were added.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Default for Response {
    /// 200 with an empty body: what a plugin that says nothing means.
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: Vec::new() }
    }
}

/// Longest body that is taken from a plugin, in bytes.
const LONGEST_BODY: usize = 256 * 1024 * 1024;
/// Most fields that are taken from a plugin.
const MOST_FIELDS: usize = 1_000;

/// Where a plugin puts its response during one call.
#[derive(Debug)]
pub(crate) struct ResponseSlot<'r> {
    response: &'r mut Response,
    /// The first part that was refused. A plugin that does not look at the answers of the sink must
    /// not send a response with a part missing.
    refusal: Option<(Status, String)>,
}

impl<'r> ResponseSlot<'r> {
    pub(crate) fn new(response: &'r mut Response) -> Self {
        Self { response, refusal: None }
    }

    /// A sink that fills this slot. Must not be used after `self` was touched again.
    pub(crate) fn sink(&mut self) -> ResponseSink {
        ResponseSink {
            size: ResponseSink::SIZE,
            reserved: 0,
            context: std::ptr::from_mut(self).cast::<c_void>(),
            set_status: Some(set_status),
            add_header: Some(add_header),
            write_body: Some(write_body),
        }
    }

    /// Whether every part of the response could be taken.
    pub(crate) fn finish(self) -> Result<(), CallError> {
        match self.refusal {
            None => Ok(()),
            Some((status, message)) => Err(CallError { status, message }),
        }
    }

    fn take(&mut self, outcome: Result<(), (Status, String)>) -> Status {
        match outcome {
            Ok(()) => Status::OK,
            Err((status, message)) => {
                self.refusal.get_or_insert((status, message));
                status
            }
        }
    }
}

/// The status code, if it is a final one.
pub(crate) fn final_status(status: u32) -> Result<u16, String> {
    u16::try_from(status)
        .ok()
        .filter(|status| (200..=599).contains(status))
        .ok_or_else(|| format!("{status} is no final status code; use 200 to 599"))
}

pub(crate) fn invalid(message: String) -> (Status, String) {
    (Status::INVALID_ARGUMENT, message)
}

unsafe extern "C" fn set_status(context: *mut c_void, status: u32) -> Status {
    // SAFETY: the context is the slot that `sink` was called on; the contract lets only the called
    // thread use it, during the call.
    let slot = unsafe { &mut *context.cast::<ResponseSlot<'_>>() };
    let outcome = final_status(status).map(|status| slot.response.status = status);
    slot.take(outcome.map_err(invalid))
}

unsafe extern "C" fn add_header(context: *mut c_void, name: Text, value: Bytes) -> Status {
    // SAFETY: as in `set_status`.
    let slot = unsafe { &mut *context.cast::<ResponseSlot<'_>>() };
    if slot.response.headers.len() >= MOST_FIELDS {
        return slot.take(Err((Status::LIMIT_EXCEEDED, format!("more than {MOST_FIELDS} fields"))));
    }
    // SAFETY: the plugin lends both for this call.
    let field = unsafe { field::name(name).and_then(|name| Ok((name, field::value(value)?))) };
    let outcome = field.map(|field| slot.response.headers.push(field));
    slot.take(outcome.map_err(invalid))
}

unsafe extern "C" fn write_body(context: *mut c_void, chunk: Bytes) -> Status {
    // SAFETY: as in `set_status`.
    let slot = unsafe { &mut *context.cast::<ResponseSlot<'_>>() };
    // SAFETY: the plugin lends the chunk for this call.
    let outcome = match unsafe { chunk.as_slice() } {
        Err(error) => Err(invalid(format!("a part of the body is no view: {error}"))),
        Ok(chunk) if chunk.len() > LONGEST_BODY - slot.response.body.len() => {
            Err((Status::LIMIT_EXCEEDED, format!("a body of more than {LONGEST_BODY} bytes")))
        }
        Ok(chunk) => {
            slot.response.body.extend_from_slice(chunk);
            Ok(())
        }
    };
    slot.take(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_status_of(sink: &ResponseSink, status: u32) -> Status {
        // SAFETY: every test uses a sink while its slot lives and is not touched otherwise.
        unsafe { set_status(sink.context, status) }
    }

    fn add_header_to(sink: &ResponseSink, name: &str, value: Bytes) -> Status {
        // SAFETY: as above.
        unsafe { add_header(sink.context, Text::new(name), value) }
    }

    fn write_body_to(sink: &ResponseSink, chunk: Bytes) -> Status {
        // SAFETY: as above.
        unsafe { write_body(sink.context, chunk) }
    }

    #[test]
    fn good_parts_are_taken() {
        let mut response = Response::default();
        let mut slot = ResponseSlot::new(&mut response);
        let sink = slot.sink();
        assert_eq!(set_status_of(&sink, 404), Status::OK);
        assert_eq!(add_header_to(&sink, "X-A", Bytes::new(b"1")), Status::OK);
        assert_eq!(write_body_to(&sink, Bytes::new(b"ab")), Status::OK);
        assert_eq!(write_body_to(&sink, Bytes::ABSENT), Status::OK);
        slot.finish().unwrap();
        assert_eq!(response.status, 404);
        assert_eq!(response.headers, [("x-a".to_owned(), b"1".to_vec())]);
        assert_eq!(response.body, b"ab");
    }

    #[test]
    fn a_refused_part_spoils_the_response_even_if_the_plugin_looks_away() {
        let no_view = Bytes { ptr: std::ptr::null(), len: 9 };
        let two_fields = Bytes::new(b"1\r\nb: 2");
        let parts: [&dyn Fn(&ResponseSink) -> Status; 5] = [
            &|sink| set_status_of(sink, 100),
            &|sink| set_status_of(sink, 70_000),
            &|sink| add_header_to(sink, "a b", Bytes::new(b"1")),
            &|sink| add_header_to(sink, "a", two_fields),
            &|sink| add_header_to(sink, "a", no_view),
        ];
        for part in parts {
            let mut response = Response::default();
            let mut slot = ResponseSlot::new(&mut response);
            assert_eq!(part(&slot.sink()), Status::INVALID_ARGUMENT);
            assert_eq!(slot.finish().unwrap_err().status, Status::INVALID_ARGUMENT);
        }
    }
}
