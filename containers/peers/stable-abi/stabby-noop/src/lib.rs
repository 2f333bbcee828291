//! A handler of stabby that does nothing.

// The macro exports a function under its own name.
#![allow(unsafe_code)]

use std::hint::black_box;

use stabby::boxed::Box;
use stabby::result::Result;
use stabby::string::String;
use stable_abi_contracts::of_stabby::{Handler, HandlerObject, Request, Response};

struct Noop;

impl Handler for Noop {
    extern "C" fn handle<'a>(
        &self,
        request: &'a Request<'a>,
        _response: &'a mut Response,
    ) -> Result<(), String> {
        black_box(&*request.body);
        Result::Ok(())
    }
}

/// Makes one.
#[stabby::export]
pub extern "C" fn create_handler() -> HandlerObject {
    Box::new(Noop).into()
}

#[cfg(test)]
mod tests {
    use stable_abi_contracts::of_stabby::{HandlerDyn as _, MaybeStr};

    use super::*;

    #[test]
    fn it_answers_with_nothing() {
        let nothing = || MaybeStr { text: "".into(), is_there: false };
        let request = Request {
            method: "GET".into(),
            path: "/".into(),
            query: nothing(),
            mount: nothing(),
            headers: [][..].into(),
            body: b"text"[..].into(),
            peer: [0; 16],
            peer_port: 1,
            version: 11,
        };
        let mut response = Response::default();
        assert!(create_handler().handle(&request, &mut response).is_ok());
        assert_eq!((response.status, response.headers.len(), response.body.len()), (200, 0, 0));
    }
}
