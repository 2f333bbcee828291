//! What a client gets that can read codings.

use crate::{compress, gunzipped, page, page_with, unzstd};
use plugin_host::Response;
use plugin_testing::{abandoned_requests_leak_nothing, middleware, only, passed, TestRequest};

/// The response to a request that accepts these codings.
fn sent(settings: &str, method: &str, accept: &[&str], response: Response) -> Response {
    let headers: Vec<_> = accept.iter().map(|value| ("accept-encoding", *value)).collect();
    let (edits, response) = passed(&compress(settings), &TestRequest::new(method, &headers), response);
    assert_eq!(edits, []);
    response
}

fn coding(response: &Response) -> Option<&str> {
    only(response, "content-encoding")
}

#[test]
fn clients_get_the_coding_they_prefer() {
    let zstd = sent("", "GET", &["gzip, zstd"], page());
    assert_eq!((coding(&zstd), unzstd(&zstd.body)), (Some("zstd"), page().body));
    let gzip = sent("", "GET", &["gzip, zstd;q=0.5"], page());
    assert_eq!((coding(&gzip), gunzipped(&gzip.body)), (Some("gzip"), page().body));
    for response in [&zstd, &gzip] {
        assert!(response.body.len() < page().body.len() / 10);
        assert_eq!(only(response, "vary"), Some("Accept-Encoding"));
        assert_eq!(only(response, "content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(response.status, 200);
    }
    let settings = r#"{"codings": ["gzip", "zstd"]}"#;
    assert_eq!(coding(&sent(settings, "GET", &["zstd, gzip"], page())), Some("gzip"));
    assert_eq!(coding(&sent(r#"{"codings": ["gzip"]}"#, "GET", &["zstd"], page())), None);
}

#[test]
fn a_client_that_gets_it_plain_is_told_that_others_do_not() {
    for accept in [[].as_slice(), &["br"], &["gzip;q=0"], &["identity;q=1, gzip;q=0.5"]] {
        let response = sent("", "GET", accept, page());
        assert_eq!((coding(&response), &response.body), (None, &page().body), "{accept:?}");
        assert_eq!(only(&response, "vary"), Some("Accept-Encoding"), "{accept:?}");
    }
    let response = sent("", "GET", &[], page_with("vary", "Origin"));
    assert_eq!(only(&response, "vary"), Some("Origin, Accept-Encoding"));
    let response = sent("", "GET", &["gzip"], page_with("vary", "accept-encoding"));
    assert_eq!(only(&response, "vary"), Some("accept-encoding"));
}

#[test]
fn head_has_the_fields_of_get() {
    for accept in [["gzip"].as_slice(), &["zstd"], &[]] {
        assert_eq!(sent("", "HEAD", accept, page()), sent("", "GET", accept, page()), "{accept:?}");
    }
}

#[test]
fn errors_of_handlers_are_compressed_too() {
    let response = sent("", "GET", &["gzip"], Response { status: 500, ..page() });
    assert_eq!((response.status, coding(&response)), (500, Some("gzip")));
}

#[test]
fn other_bytes_are_another_entity() {
    for (etag, expected) in [("\"v1\"", "W/\"v1\""), ("W/\"v1\"", "W/\"v1\"")] {
        let response = sent("", "GET", &["gzip"], page_with("etag", etag));
        assert_eq!(only(&response, "etag"), Some(expected));
        let plain = sent("", "GET", &[], page_with("etag", etag));
        assert_eq!(only(&plain, "etag"), Some(etag));
    }
    let response = sent("", "GET", &["gzip"], page_with("accept-ranges", "bytes"));
    assert_eq!(only(&response, "accept-ranges"), None);
    let plain = sent("", "GET", &[], page_with("accept-ranges", "bytes"));
    assert_eq!(only(&plain, "accept-ranges"), Some("bytes"));
}

#[test]
fn a_client_that_refuses_plain_bytes_gets_all_it_can_read() {
    let picture = Response { headers: vec![plugin_testing::field("content-type", "image/png")], ..page() };
    let short = Response { body: b"short".to_vec(), ..page() };
    for response in [picture, short] {
        let body = response.body.clone();
        assert_eq!(coding(&sent("", "GET", &["gzip"], response.clone())), None);
        let encoded = sent("", "GET", &["gzip, identity;q=0"], response.clone());
        assert_eq!((coding(&encoded), gunzipped(&encoded.body)), (Some("gzip"), body));
        assert_eq!(only(&encoded, "vary"), Some("Accept-Encoding"));
        // Not with what cannot be: then the plain bytes are better than none.
        assert_eq!(sent("", "GET", &["br, *;q=0"], response.clone()).body, response.body);
    }
}

#[test]
fn levels_are_as_they_are_set() {
    // Text that rewards trying hard.
    let body: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| format!("{} ", n.wrapping_mul(2_654_435_761) % 5_000).into_bytes())
        .collect();
    let response = Response { body, ..page() };
    for (coding, least, most) in [
        ("gzip", r#"{"gzip-level": 1}"#, r#"{"gzip-level": 9}"#),
        ("zstd", r#"{"zstd-level": 1}"#, r#"{"zstd-level": 19}"#),
    ] {
        let [least, most] =
            [least, most].map(|settings| sent(settings, "GET", &[coding], response.clone()).body.len());
        assert!(most < least, "{coding}: {most} {least}");
    }
}

#[test]
fn wrong_settings_are_named() {
    let cases = [
        (r#"{"codings": ["br"]}"#, "codings: `br` is not known; write gzip or zstd"),
        (r#"{"codings": ["gzip", "gzip"]}"#, "codings: `gzip` stands there twice"),
        (r#"{"codings": []}"#, "codings: none is left"),
        (r#"{"gzip-level": 0}"#, "gzip-level: 0; write 1 to 9"),
        (r#"{"zstd-level": 20}"#, "zstd-level: 20; write 1 to 19"),
        (r#"{"smallest": 10, "largest": 9}"#, "smallest: 10 is above largest, 9"),
        (r#"{"types": ["html"]}"#, "types: `html` is no content type"),
        (r#"{"level": 1}"#, "unknown field `level`, expected one of `codings`, `gzip-level`"),
    ];
    for (settings, part) in cases {
        let error = middleware(&compress_middleware::PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    abandoned_requests_leak_nothing(&compress(""), &TestRequest::get(&[("accept-encoding", "gzip")]));
}
