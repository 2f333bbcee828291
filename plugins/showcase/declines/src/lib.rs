//! Version 0.3 of the showcase: runs only on hosts whose operator has given them the label `showcase=allowed`.
//!
//! So a fleet tries a version on a few hosts first: every host has the file, those with the label use it, all others stay
//! with the newest version before it.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Handler, HostFacts, Method, Plugin, Request, Response, Setup};

/// The label that lets it run, and the value it has to have.
const LABEL: (&str, &str) = ("showcase", "allowed");

/// Answers the version it is; has no settings.
struct Showcase;

impl Plugin for Showcase {
    fn create(setup: &Setup<'_>) -> Result<Showcase, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("showcase 0.3 has no settings; leave them out"));
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

/// Yes where the label is; else no, with what is there instead and what would help.
fn accepts(host: &HostFacts<'_>) -> Result<(), String> {
    let (key, wanted) = LABEL;
    match host.label(key) {
        Some(value) if value == wanted => Ok(()),
        Some(value) => Err(format!("wants the label {key}={wanted}, this host has {key}={value}")),
        None => Err(format!("wants the label {key}={wanted}, this host has none of that name")),
    }
}

plugin_sdk::export_plugin! { name: "showcase", handler: Showcase, accept: accepts }
