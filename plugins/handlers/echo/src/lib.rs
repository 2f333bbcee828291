//! Handler that answers what it was sent, as JSON: method, path, query, version of HTTP, headers and body.
#![forbid(unsafe_code)]

use plugin_json::{Fields, Text};
use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};
use serde::Serialize;

/// Answers the request; has no settings.
struct Echo;

/// A request as it is answered, in this order.
#[derive(Serialize)]
struct Echoed<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    http: String,
    headers: Fields<'a>,
    body: Text<'a>,
}

impl Plugin for Echo {
    fn create(setup: &Setup<'_>) -> Result<Echo, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("echo has no settings; leave them out"));
        }
        Ok(Echo)
    }
}

impl Handler for Echo {
    const ROUTE: &'static str = "/echo/";
    const METHODS: &'static [Method] =
        &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        let version = request.http_version();
        let echoed = Echoed {
            method: request.method()?,
            path: request.path()?,
            query: request.query()?,
            http: format!("{}.{}", version / 10, version % 10),
            headers: request.headers().collect(),
            body: Text(request.body()),
        };
        plugin_json::send(response, &echoed)
    }
}

plugin_sdk::export_plugin! { name: "echo", handler: Echo }
