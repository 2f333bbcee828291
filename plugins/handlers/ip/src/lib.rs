//! Handler that answers `GET /ip` with the caller's address: `{"ip": "127.0.0.1"}`.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};
use std::net::IpAddr;

/// Answers the caller's address; has no settings.
struct Ip;

impl Plugin for Ip {
    fn create(setup: &Setup<'_>) -> Result<Ip, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("ip has no settings; leave them out"));
        }
        Ok(Ip)
    }
}

impl Handler for Ip {
    const ROUTE: &'static str = "/ip";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        let ip = request.peer_ip().ok_or_else(|| Error::unavailable("the peer has no IP address"))?;
        response.send("application/json", format!(r#"{{"ip": "{}"}}"#, as_people_write_it(ip)).as_bytes())
    }
}

/// IPv4 callers of a socket that listens on IPv6 come as `::ffff:192.0.2.1`; they are shown as the IPv4 they are.
fn as_people_write_it(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(mapped) => mapped.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

plugin_sdk::export_plugin! { name: "ip", handler: Ip }
