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
