//! What a call into a plugin comes to, and the texts that plugins hand back.

use std::ffi::c_void;

use plugin_abi::{Status, Text, TextSink};

/// A call into a plugin that gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.code(), if message.is_empty() { "no message" } else { message })]
pub struct CallError {
    /// What the plugin answered.
    pub status: Status,
    /// What it said about it, or what the host has to say; may be empty.
    pub message: String,
}

impl CallError {
    /// The stable code of this failure: `call.` and the name of the status.
    pub fn code(&self) -> &'static str {
        match self.status {
            // Only of a call to `accept`.
            Status::DECLINED => "call.declined",
            Status::PANICKED => "call.panicked",
            Status::FAILED => "call.failed",
            Status::INVALID_ARGUMENT => "call.invalid-argument",
            Status::UNSUPPORTED => "call.unsupported",
            Status::LIMIT_EXCEEDED => "call.limit-exceeded",
            Status::CLOSED => "call.closed",
            Status::TIMED_OUT => "call.timed-out",
            Status::UNAVAILABLE => "call.unavailable",
            status if status.is_failure() => "call.unknown-failure",
            // A status that is none of those the function may answer.
            _ => "call.contract-broken",
        }
    }

    /// Whether the plugin panicked: a fault of its own, whatever the request was.
    pub fn is_panic(&self) -> bool {
        self.status == Status::PANICKED
    }

    /// The stable code for a plugin whose `accept` gave this: it panicked, failed, or said no.
    pub fn accept_code(&self) -> &'static str {
        if self.is_panic() {
            "accept.panicked"
        } else if self.status.is_failure() {
            "accept.failed"
        } else {
            "accept.declined"
        }
    }

    pub(crate) fn unsupported(what: &str) -> Self {
        Self { status: Status::UNSUPPORTED, message: format!("the plugin offers no `{what}`") }
    }
}

/// Longest text that is taken from a plugin, in bytes; the rest is cut off.
const LONGEST_TEXT: usize = 16 * 1024;

/// A place where a plugin leaves a text during one call.
#[derive(Debug, Default)]
pub(crate) struct TextSlot {
    text: Option<String>,
}

impl TextSlot {
    /// A sink that writes here. Must not be used after `self` was touched again.
    pub(crate) fn sink(&mut self) -> TextSink {
        TextSink { context: std::ptr::from_mut(self).cast::<c_void>(), write: Some(write_text) }
    }

    /// What was left, if anything was.
    pub(crate) fn take(self) -> Option<String> {
        self.text
    }

    /// Success as `Ok`; everything else with the text that was left.
    pub(crate) fn into_result(self, status: Status) -> Result<(), CallError> {
        if status == Status::OK { Ok(()) } else { Err(self.into_error(status)) }
    }

    pub(crate) fn into_error(self, status: Status) -> CallError {
        CallError { status, message: self.text.unwrap_or_default() }
    }
}

unsafe extern "C" fn write_text(context: *mut c_void, text: Text) {
    // SAFETY: the context is the `TextSlot` that `sink` was called on; it is borrowed for the call
    // that this runs in, and only the called thread writes (contract of `TextSink`).
    let slot = unsafe { &mut *context.cast::<TextSlot>() };
    // SAFETY: the plugin lends the text for this call.
    slot.text = Some(unsafe { copy_text(text) });
}

/// Copies a text of a plugin, cut to a bound; what is not UTF-8 in it is replaced, because a message
/// about a failure must not get lost over its spelling.
///
/// # Safety
/// The plugin lends `text` for the running call.
pub(crate) unsafe fn copy_text(text: Text) -> String {
    let bytes = plugin_abi::Bytes { ptr: text.ptr, len: text.len };
    // SAFETY: the caller's promise.
    match unsafe { bytes.as_slice() } {
        Ok(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]).into_owned(),
        Err(error) => format!("(the plugin left an invalid text: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_stays_and_is_bounded() {
        let mut slot = TextSlot::default();
        let sink = slot.sink();
        for text in ["first", &"x".repeat(LONGEST_TEXT + 1)] {
            // SAFETY: the sink is used while `slot` lives and is not touched otherwise.
            unsafe { sink.put(text) };
        }
        assert_eq!(slot.take().unwrap().len(), LONGEST_TEXT);
    }

    #[test]
    fn unreadable_texts_are_described() {
        let null = Text { ptr: std::ptr::null(), len: 5 };
        // SAFETY: a null pointer is refused before it is read.
        assert!(unsafe { copy_text(null) }.contains("null pointer"));
        // SAFETY: a static string.
        assert_eq!(unsafe { copy_text(Text { ptr: b"a\xff".as_ptr(), len: 2 }) }, "a\u{fffd}");
    }

    #[test]
    fn errors_have_codes() {
        let error = TextSlot::default().into_result(Status::PANICKED).unwrap_err();
        assert_eq!(error.to_string(), "call.panicked: no message");
        assert!(error.is_panic());
        assert_eq!(TextSlot::default().into_error(Status(-77)).code(), "call.unknown-failure");
        assert_eq!(TextSlot::default().into_error(Status(77)).code(), "call.contract-broken");
    }
}
