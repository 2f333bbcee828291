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

#[cfg(test)]
mod tests {
    use super::*;
    use stabby::boxed::Box;

    /// Answers with what it was asked, or fails with the query.
    struct Echo;

    impl Handler for Echo {
        extern "C" fn handle<'a>(
            &self,
            request: &'a Request<'a>,
            response: &'a mut Response,
        ) -> Result<(), String> {
            if request.query.is_there {
                return Result::Err((*request.query.text).into());
            }
            response.status = 201;
            response.body = request.body.iter().copied().collect();
            for header in request.headers.iter() {
                let value = header.value.iter().copied().collect();
                response.headers.push(ResponseHeader { name: (*header.name).into(), value });
            }
            Result::Ok(())
        }
    }

    #[test]
    fn a_request_and_its_answer_pass_through_the_trait_object() {
        let handler: HandlerObject = Box::new(Echo).into();
        let headers = [Header { name: "host".into(), value: b"localhost"[..].into() }];
        let request = |query: &'static str| Request {
            method: "POST".into(),
            path: "/a".into(),
            query: MaybeStr { text: query.into(), is_there: !query.is_empty() },
            mount: MaybeStr { text: "/".into(), is_there: true },
            headers: headers[..].into(),
            body: b"text"[..].into(),
            peer: [0; 16],
            peer_port: 1,
            version: 11,
        };
        let mut response = Response::default();
        assert_eq!((response.status, response.headers.len(), response.body.len()), (200, 0, 0));
        assert!(handler.handle(&request(""), &mut response).is_ok());
        assert_eq!((response.status, &*response.body), (201, &b"text"[..]));
        assert_eq!(&*response.headers[0].name, "host");
        assert_eq!(&*response.headers[0].value, b"localhost");

        let failed = handler.handle(&request("why=so"), &mut Response::default());
        assert_eq!(failed.err().as_deref(), Some("why=so"));
    }
}
