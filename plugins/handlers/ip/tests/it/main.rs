//! The plugin as a host has it: made and asked through its table.

use std::net::SocketAddr;

use plugin_host::{CallError, HandlerInstance, HttpVersion, Request, RequestHeaders, Response};

fn handler() -> HandlerInstance {
    plugin_testing::handler(&ip_handler::PLUGIN, "").unwrap()
}

fn get(peer: Option<SocketAddr>) -> Result<Response, CallError> {
    let forwarded: [(&str, &[u8]); 3] = [
        ("x-forwarded-for", b"203.0.113.9"),
        ("forwarded", b"for=203.0.113.9"),
        ("x-real-ip", b"203.0.113.9"),
    ];
    handler().handle(&Request {
        method: "GET",
        path: "/ip",
        query: None,
        mount: Some("/ip"),
        version: HttpVersion::Http11,
        peer,
        headers: RequestHeaders::from_iter(forwarded),
        body: &[],
    })
}

/// Who may say for whom they speak is for the host to decide, which then passes another peer.
#[test]
fn the_peer_is_answered_and_what_the_client_claims_is_not() {
    for (peer, ip) in [
        ("192.0.2.7:80", "192.0.2.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("[::1]:80", "::1"),
    ] {
        let response = get(Some(peer.parse().unwrap())).unwrap();
        assert_eq!(
            String::from_utf8(response.body.clone()).unwrap(),
            format!(r#"{{"ip": "{ip}"}}"#),
            "{peer}"
        );
        assert_eq!(plugin_testing::only(&response, "content-type"), Some("application/json"));
    }
}

#[test]
fn a_peer_without_address_is_an_error() {
    let error = get(None).unwrap_err();
    assert_eq!(error.to_string(), "call.unavailable: the peer has no IP address");
}

#[test]
fn settings_are_refused() {
    let error = plugin_testing::handler(&ip_handler::PLUGIN, "{}").unwrap_err();
    assert!(error.to_string().contains("ip has no settings; leave them out"), "{error}");
}
