//! Version 0.1 of the showcase: a handler that answers `GET /showcase` with its version.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};

/// Answers the version it is; has no settings.
struct Showcase;

impl Plugin for Showcase {
    fn create(setup: &Setup<'_>) -> Result<Showcase, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("showcase 0.1 has no settings; leave them out"));
        }
        Ok(Showcase)
    }
}

impl Handler for Showcase {
    const ROUTE: &'static str = "/showcase";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, _request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        let answer = concat!(r#"{"plugin": "showcase", "version": ""#, env!("CARGO_PKG_VERSION"), r#""}"#);
        response.send("application/json", answer.as_bytes())
    }
}

plugin_sdk::export_plugin! { name: "showcase", handler: Showcase }
