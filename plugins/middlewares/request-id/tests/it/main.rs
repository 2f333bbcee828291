//! The plugin through the contract's tables, as a server drives it.

use plugin_host::{MiddlewareInstance, RequestEdit, Response};
use plugin_testing::{abandoned_requests_leak_nothing, field, middleware, only, passed, TestRequest};
use request_id_middleware::PLUGIN;
use std::collections::HashSet;

fn request_id(settings: &str) -> MiddlewareInstance {
    middleware(&PLUGIN, settings, None).unwrap()
}

/// What the handler is told in place of what came in, if anything, and what the client is told.
fn identifiers(settings: &str, name: &str, given: &[&str]) -> (Option<String>, String) {
    let headers: Vec<_> = given.iter().map(|value| (name, *value)).collect();
    let (edits, response) = passed(&request_id(settings), &TestRequest::get(&headers), Response::default());
    let told = only(&response, name).unwrap().to_owned();
    match edits.as_slice() {
        [] => (None, told),
        [RequestEdit::SetHeader(field, value)] if field == name => {
            (Some(String::from_utf8(value.clone()).unwrap()), told)
        }
        edits => panic!("{edits:?}"),
    }
}

const TRUSTING: &str = r#"{"trust": true}"#;

#[test]
fn every_request_gets_one_that_handler_and_client_share() {
    let (to_handler, to_client) = identifiers("", "x-request-id", &[]);
    assert_eq!(to_handler.as_ref(), Some(&to_client));
    assert_eq!(to_client.len(), 36);
    assert_eq!(&to_client[14..15], "7", "{to_client}");
}

#[test]
fn one_that_came_in_is_taken_over_only_if_it_is_trusted_and_well_formed() {
    assert_eq!(identifiers(TRUSTING, "x-request-id", &["abc-1"]), (None, "abc-1".to_owned()));
    let too_long = "x".repeat(129);
    let cases: [(&str, &[&str]); 6] = [
        ("", &["abc-1"]),
        (r#"{"trust": false}"#, &["abc-1"]),
        (TRUSTING, &[""]),
        (TRUSTING, &["a b"]),
        (TRUSTING, &[&too_long]),
        (TRUSTING, &["abc-1", "abc-2"]),
    ];
    for (settings, given) in cases {
        let (to_handler, to_client) = identifiers(settings, "x-request-id", given);
        assert_eq!(to_handler.as_ref(), Some(&to_client), "{settings} {given:?}");
        assert!(!given.contains(&to_client.as_str()), "{settings} {given:?}");
    }
}

#[test]
fn the_field_has_the_name_that_is_set() {
    let settings = r#"{"header": "X-Trace-ID", "trust": true}"#;
    assert_eq!(identifiers(settings, "x-trace-id", &["t1"]), (None, "t1".to_owned()));
    for (settings, part) in [
        (r#"{"header": "x request"}"#, "header: `x request` is no field name"),
        (r#"{"header": ""}"#, "header: `` is no field name"),
        (r#"{"header": "Content-Length"}"#, "header: `Content-Length` has a meaning of its own"),
        (r#"{"name": "x"}"#, "unknown field `name`, expected `header` or `trust`"),
    ] {
        let error = middleware(&PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn a_handler_cannot_put_another_one_on_the_response() {
    let headers = vec![field("x-request-id", "mine"), field("x-request-id", "mine too")];
    let response = Response { status: 404, headers, body: Vec::new() };
    let request = TestRequest::get(&[("x-request-id", "theirs")]);
    let (_, response) = passed(&request_id(TRUSTING), &request, response);
    assert_eq!(only(&response, "x-request-id"), Some("theirs"));
}

#[test]
fn none_comes_twice_and_later_ones_sort_after_earlier_ones() {
    let instance = request_id("");
    let made: Vec<String> = (0..5_000)
        .map(|_| {
            let (_, response) = passed(&instance, &TestRequest::get(&[]), Response::default());
            only(&response, "x-request-id").unwrap().to_owned()
        })
        .collect();
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    assert!(made.is_sorted());
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    abandoned_requests_leak_nothing(&request_id(""), &TestRequest::get(&[]));
}
