//! What a plugin may put into a header field. RFC 9110, section 5.

use plugin_abi::{Bytes, Text};

/// A field's name in lower case, if a plugin may set it.
///
/// # Safety
/// The plugin lends `name` for the running call.
pub(crate) unsafe fn name(name: Text) -> Result<String, String> {
    // SAFETY: the caller's promise.
    let text = unsafe { name.as_str() }.map_err(|error| format!("a field name is no text: {error}"))?;
    if text.is_empty() || !text.bytes().all(|byte| TOKEN[usize::from(byte)]) {
        return Err(format!("{text:?} is no field name"));
    }
    let lower = text.to_ascii_lowercase();
    if is_reserved(&lower) {
        return Err(format!("the field {lower} is the host's to set"));
    }
    Ok(lower)
}

/// A field's value. Line ends and other control characters are refused, or a client's text that a
/// plugin repeats could end the field and begin another.
///
/// # Safety
/// The plugin lends `value` for the running call.
pub(crate) unsafe fn value(value: Bytes) -> Result<Vec<u8>, String> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { value.as_slice() }.map_err(|error| format!("a field value is no view: {error}"))?;
    match bytes.iter().find(|byte| (**byte < 0x20 && **byte != b'\t') || **byte == 0x7f) {
        Some(byte) => Err(format!("a field value contains the control character {byte:#04x}")),
        None => Ok(bytes.to_vec()),
    }
}

/// Whether a field frames the message or rules the connection: the host's alone. A plugin that set one could make a client
/// see two answers where there is one.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Which bytes are a `tchar` of RFC 9110, section 5.6.2. A table, because every byte of every name is looked up.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = matches!(byte as u8, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tokens_that_are_not_reserved() {
        let cases = [
            ("X-Thing", Some("x-thing")),
            ("content-type", Some("content-type")),
            ("", None),
            ("a b", None),
            ("a:", None),
            ("ä", None),
            ("Content-Length", None),
            ("transfer-encoding", None),
        ];
        for (text, expected) in cases {
            // SAFETY: the text is a constant.
            assert_eq!(unsafe { name(Text::new(text)) }.ok().as_deref(), expected, "{text}");
        }
        let null = Text { ptr: std::ptr::null(), len: 3 };
        // SAFETY: a null pointer is refused before it is read.
        assert!(unsafe { name(null) }.is_err());
    }

    #[test]
    fn values_have_no_control_characters() {
        let cases: [(&[u8], bool); 6] = [
            (b"plain", true),
            (b"", true),
            (b"tab\tand \xe4", true),
            (b"two\r\nlines", false),
            (b"nul\0", false),
            (b"del\x7f", false),
        ];
        for (bytes, good) in cases {
            // SAFETY: the bytes are a constant.
            assert_eq!(unsafe { value(Bytes::new(bytes)) }.is_ok(), good, "{bytes:?}");
        }
    }
}
