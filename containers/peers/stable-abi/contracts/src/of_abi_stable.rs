//! A handler as a trait object of [abi_stable](abi_stable).

// The macros write code that is neither documented nor safe by itself.
// That of abi_stable stands where newer compilers do not expect it.
#![allow(missing_docs, unsafe_code, clippy::undocumented_unsafe_blocks, non_local_definitions)]

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::package_version_strings;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RBox, ROption, RResult, RSlice, RStr, RString, RVec};

/// A request.
#[repr(C)]
#[derive(StableAbi)]
pub struct Request<'a> {
    pub method: RStr<'a>,
    pub path: RStr<'a>,
    pub query: ROption<RStr<'a>>,
    pub mount: ROption<RStr<'a>>,
    pub headers: RSlice<'a, Header<'a>>,
    pub body: RSlice<'a, u8>,
    /// An IPv6 address, or a mapped one.
    pub peer: [u8; 16],
    pub peer_port: u16,
    pub version: u8,
}

/// A field of a request.
#[repr(C)]
#[derive(StableAbi)]
pub struct Header<'a> {
    pub name: RStr<'a>,
    pub value: RSlice<'a, u8>,
}

/// An answer.
#[repr(C)]
#[derive(StableAbi)]
pub struct Response {
    pub headers: RVec<ResponseHeader>,
    pub body: RVec<u8>,
    pub status: u16,
}

/// A field of an answer.
#[repr(C)]
#[derive(StableAbi)]
pub struct ResponseHeader {
    pub name: RString,
    pub value: RVec<u8>,
}

impl Default for Response {
    fn default() -> Self {
        Self { headers: RVec::new(), body: RVec::new(), status: 200 }
    }
}

/// Answers requests.
#[sabi_trait]
pub trait Handler {
    fn handle(&self, request: &Request<'_>, response: &mut Response) -> RResult<(), RString>;
}

/// A handler of a kind that its caller does not know.
pub type HandlerObject = Handler_TO<'static, RBox<()>>;

/// What a library exports.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HandlerModuleRef)))]
pub struct HandlerModule {
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn() -> HandlerObject,
}

impl RootModule for HandlerModuleRef {
    abi_stable::declare_root_module_statics! {HandlerModuleRef}
    const BASE_NAME: &'static str = "handler";
    const NAME: &'static str = "handler";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi_stable::sabi_trait::TD_Opaque;
    use abi_stable::std_types::{RErr, RNone, ROk, RSome};

    /// Answers with what it was asked, or fails with the query.
    struct Echo;

    impl Handler for Echo {
        fn handle(&self, request: &Request<'_>, response: &mut Response) -> RResult<(), RString> {
            if let RSome(query) = request.query {
                return RErr(query.into());
            }
            response.status = 201;
            response.body = request.body.as_slice().into();
            for header in request.headers.as_slice() {
                let value = header.value.as_slice().into();
                response.headers.push(ResponseHeader { name: header.name.into(), value });
            }
            ROk(())
        }
    }

    #[test]
    fn a_request_and_its_answer_pass_through_the_trait_object() {
        let handler: HandlerObject = Handler_TO::from_value(Echo, TD_Opaque);
        let headers = [Header { name: "host".into(), value: b"localhost"[..].into() }];
        let mut request = Request {
            method: "POST".into(),
            path: "/a".into(),
            query: RNone,
            mount: RSome("/".into()),
            headers: headers[..].into(),
            body: b"text"[..].into(),
            peer: [0; 16],
            peer_port: 1,
            version: 11,
        };
        let mut response = Response::default();
        assert_eq!((response.status, response.headers.len(), response.body.len()), (200, 0, 0));
        assert_eq!(handler.handle(&request, &mut response), ROk(()));
        assert_eq!((response.status, response.body.as_slice()), (201, &b"text"[..]));
        assert_eq!(response.headers[0].name, "host");
        assert_eq!(response.headers[0].value.as_slice(), b"localhost");

        request.query = RSome("why=so".into());
        assert_eq!(handler.handle(&request, &mut response), RErr("why=so".into()));
    }
}
