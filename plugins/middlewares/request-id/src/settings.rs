//! What the operator can set.

use plugin_sdk::Error;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) header: String,
    pub(crate) trust: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { header: "x-request-id".to_owned(), trust: false }
    }
}

/// Fields that mean something to the server, to clients or to everything in between; an identifier would break them.
const TAKEN: [&str; 26] = [
    "accept",
    "accept-encoding",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "host",
    "keep-alive",
    "location",
    "origin",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
];

/// The name of the field in lower case, as requests have it.
pub(crate) fn checked_name(name: &str) -> Result<String, Error> {
    let lower = name.to_ascii_lowercase();
    // RFC 9110, section 5.6.2.
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower.is_empty() || !lower.bytes().all(is_token_byte) {
        return Err(Error::invalid(format!(
            "header: `{name}` is no field name; write one like x-request-id"
        )));
    }
    if TAKEN.contains(&lower.as_str()) {
        return Err(Error::invalid(format!(
            "header: `{name}` has a meaning of its own; write one like x-request-id"
        )));
    }
    Ok(lower)
}
