//! Preflights are answered, and nothing else is.

use crate::{cors, SETTINGS};
use plugin_host::Response;
use plugin_testing::{answered, exchange, Outcome, TestRequest};

const VARY: &str = "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Fields of the answer to a preflight, one a line.
fn preflight(settings: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let response = answered(&cors(settings), &TestRequest::new("OPTIONS", headers));
    assert_eq!((response.status, response.body.len()), (204, 0));
    let line = |(name, value): &(String, Vec<u8>)| format!("{name}: {}", String::from_utf8_lossy(value));
    response.headers.iter().map(line).collect()
}

#[test]
fn an_allowed_origin_is_told_what_it_may() {
    let asked = [
        ("origin", "https://app.example.org"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-token"),
    ];
    let expected = [
        VARY,
        "access-control-allow-origin: https://app.example.org",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET, PUT",
        "access-control-allow-headers: content-type, x-token",
        "access-control-max-age: 600",
    ];
    assert_eq!(preflight(SETTINGS, &asked), expected);
    let line = |origin: &str| format!("access-control-allow-origin: {origin}");
    let asked = [("origin", "https://a.b.example.net"), ("access-control-request-method", "PUT")];
    assert_eq!(preflight(SETTINGS, &asked)[1], line("https://a.b.example.net"));
    let asked = [("origin", "null"), ("access-control-request-method", "PUT")];
    assert_eq!(preflight(r#"{"origins": ["null"]}"#, &asked)[1], line("null"));
}

#[test]
fn any_other_origin_is_told_nothing() {
    for origin in ["https://evil.test", "https://app.example.org.evil.test", "null", ""] {
        let asked = [("origin", origin), ("access-control-request-method", "PUT")];
        assert_eq!(preflight(SETTINGS, &asked), [VARY], "{origin}");
        assert_eq!(preflight("", &asked), [VARY], "{origin}");
    }
    let twice = [
        ("origin", "https://app.example.org"),
        ("origin", "https://app.example.org"),
        ("access-control-request-method", "PUT"),
    ];
    assert_eq!(preflight(SETTINGS, &twice), [VARY]);
}

#[test]
fn a_star_is_sent_alone_and_what_is_asked_for_is_repeated_instead() {
    let settings = r#"{"origins": ["*"], "methods": ["*"], "headers": ["*"]}"#;
    let asked = [
        ("origin", "https://any.test"),
        ("access-control-request-method", "PURGE"),
        ("access-control-request-headers", "authorization,x-a"),
    ];
    let expected = [
        VARY,
        "access-control-allow-origin: *",
        "access-control-allow-methods: PURGE",
        "access-control-allow-headers: authorization, x-a",
    ];
    assert_eq!(preflight(settings, &asked), expected);
    // Text that is no name is not repeated, nor is what is not there.
    let hostile = [
        ("origin", "https://any.test"),
        ("access-control-request-method", "GET, PUT"),
        ("access-control-request-headers", "x-a: 1; <b>"),
    ];
    assert_eq!(preflight(settings, &hostile), expected[..2]);
    assert_eq!(preflight(settings, &hostile[..2]), expected[..2]);
}

#[test]
fn a_private_network_is_opened_only_if_that_is_set() {
    let asked = [
        ("origin", "https://any.test"),
        ("access-control-request-method", "GET"),
        ("access-control-request-private-network", "true"),
    ];
    let expected = [
        &format!("{VARY}, Access-Control-Request-Private-Network"),
        "access-control-allow-origin: *",
        "access-control-allow-methods: GET, HEAD, POST",
        "access-control-allow-private-network: true",
    ];
    assert_eq!(preflight(r#"{"origins": ["*"], "allow-private-network": true}"#, &asked), expected);
    assert_eq!(preflight(r#"{"origins": ["*"]}"#, &asked)[1..], expected[1..3]);
}

#[test]
fn an_options_that_is_no_preflight_goes_on() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("OPTIONS", &[]),
        ("OPTIONS", &[("origin", "https://app.example.org")]),
        ("OPTIONS", &[("access-control-request-method", "PUT")]),
        ("GET", &[("origin", "https://app.example.org"), ("access-control-request-method", "PUT")]),
    ];
    for (method, headers) in cases {
        let request = TestRequest::new(method, headers);
        let outcome = exchange(&cors(SETTINGS), &request, Response::default());
        assert!(matches!(outcome, Outcome::Passed { ref edits, .. } if edits.is_empty()), "{request:?}");
    }
}
