//! The plugin as a host has it: made and asked through its table.

use plugin_host::{HandlerInstance, HttpVersion, Request, RequestHeaders, Response};

fn handler() -> HandlerInstance {
    plugin_testing::handler(&headers_handler::PLUGIN, "").unwrap()
}

fn get(headers: &[(&str, &[u8])]) -> Response {
    let request = Request {
        method: "GET",
        path: "/headers",
        query: None,
        mount: Some("/headers"),
        version: HttpVersion::Http11,
        peer: None,
        headers: RequestHeaders::from_iter(headers.iter().copied()),
        body: &[],
    };
    handler().handle(&request).unwrap()
}

#[test]
fn headers_are_answered_as_they_came() {
    let response = get(&[
        ("host", b"localhost"),
        ("accept", b"text/html"),
        ("x-latin", b"caf\xe9"),
        ("accept", b"text/plain, */*"),
        ("x-empty", b""),
    ]);
    let expected = "{\n  \"host\": \"localhost\",\n  \"accept\": [\n    \"text/html\",\n    \"text/plain, */*\"\n  ],\n  \
        \"x-latin\": {\n    \"base64\": \"Y2Fm6Q==\"\n  },\n  \"x-empty\": \"\"\n}\n";
    assert_eq!((response.status, std::str::from_utf8(&response.body).unwrap()), (200, expected));
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(plugin_testing::only(&response, name), Some(value), "{name}");
    }
}

#[test]
fn no_headers_are_an_empty_object() {
    assert_eq!(get(&[]).body, b"{}\n");
}

#[test]
fn it_is_found_on_its_route() {
    assert_eq!((handler().route(), handler().methods()), ("/headers", ["GET".to_owned()].as_slice()));
}

#[test]
fn settings_are_refused() {
    let error = plugin_testing::handler(&headers_handler::PLUGIN, "{}").unwrap_err();
    assert!(error.to_string().contains("headers has no settings; leave them out"), "{error}");
}
