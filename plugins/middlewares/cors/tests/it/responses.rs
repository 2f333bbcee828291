//! Responses of handlers, marked on their way back.

use crate::{cors, SETTINGS};
use plugin_host::Response;
use plugin_testing::{abandoned_requests_leak_nothing, field, only, passed, TestRequest};

/// What the policy says in a response: origin, credentials, exposed fields, `vary`.
type Marks<'a> = [Option<&'a str>; 4];

const FIELDS: [&str; 4] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "vary",
];
const MINE: &str = "https://app.example.org";

fn check(settings: &str, origins: &[&str], response: &Response, expected: Marks<'_>) {
    let headers: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
    let (_, marked) = passed(&cors(settings), &TestRequest::get(&headers), response.clone());
    assert_eq!(FIELDS.map(|name| only(&marked, name)), expected, "{settings} {origins:?}");
    assert_eq!((marked.status, &marked.body), (response.status, &response.body));
}

#[test]
fn responses_are_marked_for_their_origin() {
    let plain = Response::default();
    let all = [Some(MINE), Some("true"), Some("x-total, etag"), Some("Origin")];
    let only_vary = [None, None, None, Some("Origin")];
    check(SETTINGS, &[MINE], &plain, all);
    // Without an origin too, or a cache would hand this answer to a page.
    check(SETTINGS, &[], &plain, only_vary);
    check(SETTINGS, &["https://evil.test"], &plain, only_vary);
    check(SETTINGS, &["null"], &plain, only_vary);
    check(SETTINGS, &[MINE, MINE], &plain, only_vary);
    let failed = Response { status: 500, headers: Vec::new(), body: b"failed".to_vec() };
    check(SETTINGS, &[MINE], &failed, all);
}

#[test]
fn what_is_the_same_for_all_depends_on_nothing() {
    let plain = Response::default();
    for origins in [["https://any.test"].as_slice(), &["null"], &[]] {
        check(r#"{"origins": ["*"]}"#, origins, &plain, [Some("*"), None, None, None]);
        check(
            r#"{"origins": ["*"], "expose-headers": ["*"]}"#,
            origins,
            &plain,
            [Some("*"), None, Some("*"), None],
        );
        check("", origins, &plain, [None; 4]);
    }
    check(r#"{"origins": ["null"]}"#, &["null"], &plain, [Some("null"), None, None, Some("Origin")]);
}

#[test]
fn a_handler_cannot_say_otherwise() {
    let own = ["*", "true", "x-own", "Accept-Encoding"];
    let headers = FIELDS.into_iter().zip(own).map(|(name, value)| field(name, value)).collect();
    let response = Response { status: 200, headers, body: Vec::new() };
    let vary = Some("Accept-Encoding, Origin");
    check(SETTINGS, &[MINE], &response, [Some(MINE), Some("true"), Some("x-total, etag"), vary]);
    check(SETTINGS, &["https://evil.test"], &response, [None, None, None, vary]);
    check(r#"{"origins": ["*"]}"#, &[MINE], &response, [Some("*"), None, None, Some("Accept-Encoding")]);
    check("", &[MINE], &response, [None, None, None, Some("Accept-Encoding")]);
}

#[test]
fn vary_is_extended_and_not_repeated() {
    for (present, expected) in [("*", "*"), ("origin", "origin"), ("Cookie", "Cookie, Origin")] {
        let response = Response { status: 200, headers: vec![field("vary", present)], body: Vec::new() };
        check(SETTINGS, &[], &response, [None, None, None, Some(expected)]);
    }
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    abandoned_requests_leak_nothing(&cors(SETTINGS), &TestRequest::get(&[("origin", MINE)]));
}
