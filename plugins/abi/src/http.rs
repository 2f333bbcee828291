//! A request as handlers and middlewares see it.

use crate::{Address, Bytes, SizeFirst, Text};

/// An HTTP request, complete with its body. Borrowed for the call that passes it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Size of this structure in bytes, as the host knows it.
    pub size: u32,
    /// Version of HTTP times ten: 10, 11, 20.
    pub http_version: u32,
    /// Method in the case it was sent: `GET`.
    pub method: Text,
    /// Path as it was sent, percent-encoding kept, beginning with `/`: `/static/a%20b`.
    pub path: Text,
    /// What follows the `?` of the target; absent (null) if there is no `?`.
    pub query: Text,
    /// Route under which the host mounted the handler: a prefix of `path` if it ends in `/`, otherwise equal to it.
    /// Absent where no handler was chosen (for a middleware that stands before routing).
    pub mount: Text,
    /// Who sent it. A middleware may have replaced the address of a trusted proxy by that of the client.
    pub peer: Address,
    /// First header. Names are in lower case; a name may come several times, in the order they were sent.
    pub headers: *const Header,
    /// Number of headers.
    pub header_count: usize,
    /// The whole body, perhaps empty; trailers are not passed on.
    pub body: Bytes,
}

/// A header field. The layout is final.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Name: a token of RFC 9110, in lower case when the host passes it.
    pub name: Text,
    /// Value: bytes, because HTTP does not promise a character set.
    pub value: Bytes,
}

// SAFETY: `repr(C)`, `u32` size first, integers and pointers only.
unsafe impl SizeFirst for Request {
    const MINIMUM_SIZE: usize = 128;
}
