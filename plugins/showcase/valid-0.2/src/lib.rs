//! Version 0.2 of the showcase: it answers the platform of its host, too.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};

/// Answers the version it is and the host it was made on; has no settings.
struct Showcase {
    answer: String,
}

impl Plugin for Showcase {
    fn create(setup: &Setup<'_>) -> Result<Showcase, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("showcase 0.2 has no settings; leave them out"));
        }
        let (version, host) = (env!("CARGO_PKG_VERSION"), setup.host());
        // The host names both as target triples do, so there is nothing in them that JSON would have escaped.
        let (arch, libc) = (host.arch(), host.libc());
        let answer = format!(r#"{{"plugin": "showcase", "version": "{version}", "host": "{arch}-{libc}"}}"#);
        Ok(Showcase { answer })
    }
}

impl Handler for Showcase {
    const ROUTE: &'static str = "/showcase";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, _request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        response.send("application/json", self.answer.as_bytes())
    }
}

plugin_sdk::export_plugin! { name: "showcase", handler: Showcase }
