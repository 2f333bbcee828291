//! Responses that are left as they are, whatever the client can read.

use crate::{compress, page, page_with};
use plugin_host::Response;
use plugin_testing::{field, only, passed, TestRequest};

/// The response comes through without a change but, perhaps, `vary`.
fn check(settings: &str, response: &Response, vary: Option<&str>) {
    for accept in ["gzip, zstd", "br"] {
        let request = TestRequest::get(&[("accept-encoding", accept)]);
        let (_, sent) = passed(&compress(settings), &request, response.clone());
        assert_eq!(only(&sent, "vary"), vary, "{response:?}");
        let headers: Vec<_> = sent.headers.into_iter().filter(|(name, _)| name != "vary").collect();
        assert_eq!(
            (sent.status, headers, sent.body),
            (response.status, response.headers.clone(), response.body.clone())
        );
    }
}

#[test]
fn what_is_bound_to_its_bytes() {
    let cases = [
        page_with("content-encoding", "br"),
        page_with("content-range", "bytes 0-6899/6900"),
        page_with("content-digest", "sha-256=:AA==:"),
        page_with("repr-digest", "sha-256=:AA==:"),
        page_with("cache-control", "no-transform"),
        page_with("cache-control", "max-age=60,\tNo-Transform , private"),
        Response { status: 206, ..page() },
    ];
    for response in cases {
        check("", &response, None);
    }
    // Another directive that only looks like it.
    let response = page_with("cache-control", "x-no-transform, max-age=60");
    let (_, sent) = passed(&compress(""), &TestRequest::get(&[("accept-encoding", "gzip")]), response);
    assert_eq!(only(&sent, "content-encoding"), Some("gzip"));
}

#[test]
fn what_has_no_body() {
    for status in [200, 204, 205, 404] {
        check("", &Response { status, body: Vec::new(), ..page() }, None);
    }
    // What is not modified has the `vary` that it would have had.
    check("", &Response { status: 304, body: Vec::new(), ..page() }, Some("Accept-Encoding"));
    check("", &Response { status: 304, headers: Vec::new(), body: Vec::new() }, Some("Accept-Encoding"));
    let headers = vec![field("content-type", "image/png")];
    check("", &Response { status: 304, headers, body: Vec::new() }, None);
}

#[test]
fn what_is_not_worth_it() {
    check("", &Response { headers: vec![field("content-type", "image/png")], ..page() }, None);
    check("", &Response { headers: Vec::new(), ..page() }, None);
    check(r#"{"types": ["application/json"]}"#, &page(), None);
    check("", &Response { body: vec![b'x'; 1_023], ..page() }, None);
    check(r#"{"smallest": 7000}"#, &page(), None);
    check(r#"{"largest": 6899}"#, &page(), None);
}

#[test]
fn what_gets_no_smaller() {
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    // It was tried, and for another body of that resource it may be worth it.
    check("", &Response { body: noise.take(5_000).collect(), ..page() }, Some("Accept-Encoding"));
}

#[test]
fn the_bounds_belong_to_what_is_compressed() {
    for settings in [r#"{"smallest": 6900, "largest": 6900}"#, r#"{"smallest": 0}"#] {
        let (_, sent) =
            passed(&compress(settings), &TestRequest::get(&[("accept-encoding", "gzip")]), page());
        assert_eq!(only(&sent, "content-encoding"), Some("gzip"), "{settings}");
    }
}
