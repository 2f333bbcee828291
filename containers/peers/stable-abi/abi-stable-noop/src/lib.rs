//! A handler of abi_stable that does nothing.

// The macro exports a static of its own, under a name that abi_stable knows.
#![allow(missing_docs, unsafe_code)]

use std::hint::black_box;

use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROk, RResult, RString};
use stable_abi_contracts::of_abi_stable::{
    Handler, Handler_TO, HandlerModule, HandlerModuleRef, HandlerObject, Request, Response,
};

struct Noop;

impl Handler for Noop {
    fn handle(&self, request: &Request<'_>, _response: &mut Response) -> RResult<(), RString> {
        black_box(request.body.as_slice());
        ROk(())
    }
}

/// What the library has.
#[abi_stable::export_root_module]
pub fn root_module() -> HandlerModuleRef {
    HandlerModule { create }.leak_into_prefix()
}

#[abi_stable::sabi_extern_fn]
fn create() -> HandlerObject {
    Handler_TO::from_value(Noop, TD_Opaque)
}

#[cfg(test)]
mod tests {
    use abi_stable::std_types::RNone;

    use super::*;

    #[test]
    fn it_answers_with_nothing() {
        let request = Request {
            method: "GET".into(),
            path: "/".into(),
            query: RNone,
            mount: RNone,
            headers: [][..].into(),
            body: b"text"[..].into(),
            peer: [0; 16],
            peer_port: 1,
            version: 11,
        };
        let mut response = Response::default();
        let handler = HandlerModule { create }.leak_into_prefix().create()();
        assert_eq!(handler.handle(&request, &mut response), ROk(()));
        assert_eq!((response.status, response.headers.len(), response.body.len()), (200, 0, 0));
    }
}
