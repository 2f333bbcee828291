//! A handler that does nothing.

use std::hint::black_box;

use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};

struct Noop;

impl Plugin for Noop {
    fn create(_setup: &Setup<'_>) -> Result<Self, Error> {
        Ok(Noop)
    }
}

impl Handler for Noop {
    const ROUTE: &'static str = "/noop";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, request: &Request<'_>, _response: &mut Response<'_>) -> Result<(), Error> {
        black_box(request.body());
        Ok(())
    }
}

plugin_sdk::export_plugin! { name: "noop", handler: Noop }
