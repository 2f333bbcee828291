//! A handler as a trait object of [stabby](stabby).

// The macros write code that is neither documented nor safe by itself.
#![allow(missing_docs, unsafe_code, clippy::undocumented_unsafe_blocks)]

use stabby::result::Result;
use stabby::slice::Slice;
use stabby::str::Str;
use stabby::string::String;
use stabby::vec::Vec;

/// The name of the function in a library that makes a [`HandlerObject`].
pub const CREATE: &str = "create_handler";

/// A request.
#[stabby::stabby]
pub struct Request<'a> {
    pub method: Str<'a>,
    pub path: Str<'a>,
    pub query: MaybeStr<'a>,
    pub mount: MaybeStr<'a>,
    pub headers: Slice<'a, Header<'a>>,
    pub body: Slice<'a, u8>,
    /// An IPv6 address, or a mapped one.
    pub peer: [u8; 16],
    pub peer_port: u16,
    pub version: u8,
}

/// A text that may be missing. stabby's own `Option` takes nothing with a lifetime.
#[stabby::stabby]
pub struct MaybeStr<'a> {
    pub text: Str<'a>,
    pub is_there: bool,
}

/// A field of a request.
#[stabby::stabby]
pub struct Header<'a> {
    pub name: Str<'a>,
    pub value: Slice<'a, u8>,
}

/// An answer.
#[stabby::stabby]
pub struct Response {
    pub headers: Vec<ResponseHeader>,
    pub body: Vec<u8>,
    pub status: u16,
}

/// A field of an answer.
#[stabby::stabby]
pub struct ResponseHeader {
    pub name: String,
    pub value: Vec<u8>,
}

impl Default for Response {
    fn default() -> Self {
        Self { headers: Vec::new(), body: Vec::new(), status: 200 }
    }
}

/// Answers requests.
#[stabby::stabby(checked)]
pub trait Handler {
    extern "C" fn handle<'a>(
        &self,
        request: &'a Request<'a>,
        response: &'a mut Response,
    ) -> Result<(), String>;
}

/// A handler of a kind that its caller does not know.
pub type HandlerObject = stabby::dynptr!(stabby::boxed::Box<dyn Handler>);
