//! Handler that answers `GET /headers` with the headers it was sent, as JSON.
#![forbid(unsafe_code)]

use plugin_json::Fields;
use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};

/// Answers the request's headers; has no settings.
struct Headers;

impl Plugin for Headers {
    fn create(setup: &Setup<'_>) -> Result<Headers, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("headers has no settings; leave them out"));
        }
        Ok(Headers)
    }
}

impl Handler for Headers {
    const ROUTE: &'static str = "/headers";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        plugin_json::send(response, &request.headers().collect::<Fields<'_>>())
    }
}

plugin_sdk::export_plugin! { name: "headers", handler: Headers }
