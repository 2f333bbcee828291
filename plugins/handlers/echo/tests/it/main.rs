//! The plugin as a host has it: made and asked through its table.

use plugin_host::{HandlerInstance, HttpVersion, Request, RequestHeaders};
use serde_json::{json, Value};

fn handler() -> HandlerInstance {
    plugin_testing::handler(&echo_handler::PLUGIN, "").unwrap()
}

fn request<'a>(method: &'a str, query: Option<&'a str>, body: &'a [u8]) -> Request<'a> {
    let headers: [(&str, &[u8]); 3] = [("host", b"localhost"), ("x-a", b"1"), ("x-a", b"\xff")];
    Request {
        method,
        path: "/echo/a%20b",
        query,
        mount: Some("/echo/"),
        version: HttpVersion::Http11,
        peer: None,
        headers: RequestHeaders::from_iter(headers),
        body,
    }
}

fn echoed(request: &Request<'_>) -> Value {
    let response = handler().handle(request).unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(plugin_testing::only(&response, "content-type"), Some("application/json"));
    assert_eq!(plugin_testing::only(&response, "x-content-type-options"), Some("nosniff"));
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn a_request_comes_back_whole() {
    let expected = json!({
        "method": "POST",
        "path": "/echo/a%20b",
        "query": "x=1&y=%20",
        "http": "1.1",
        "headers": {"host": "localhost", "x-a": ["1", {"base64": "/w=="}]},
        "body": "grüße\n",
    });
    assert_eq!(echoed(&request("POST", Some("x=1&y=%20"), "grüße\n".as_bytes())), expected);
}

#[test]
fn bodies_are_text_or_bytes() {
    let cases: [(&[u8], Value); 4] = [
        (b"", json!("")),
        (b"\0\x1b\"</script>", json!("\u{0}\u{1b}\"</script>")),
        (b"\0\xff", json!({"base64": "AP8="})),
        (br#"{"base64": "AP8="}"#, json!(r#"{"base64": "AP8="}"#)),
    ];
    for (body, expected) in cases {
        assert_eq!(echoed(&request("PUT", None, body))["body"], expected);
    }
}

#[test]
fn no_query_is_told_from_an_empty_one() {
    assert_eq!(echoed(&request("GET", None, b""))["query"], Value::Null);
    assert_eq!(echoed(&request("GET", Some(""), b""))["query"], "");
}

#[test]
fn versions_of_http_have_their_names() {
    for (version, name) in
        [(HttpVersion::Http10, "1.0"), (HttpVersion::Http11, "1.1"), (HttpVersion::Http2, "2.0")]
    {
        assert_eq!(echoed(&Request { version, ..request("GET", None, b"") })["http"], name);
    }
}

#[test]
fn it_takes_every_path_below_its_route() {
    let handler = handler();
    assert_eq!(
        (handler.route(), handler.methods().join(" ").as_str()),
        ("/echo/", "GET POST PUT PATCH DELETE")
    );
}

#[test]
fn settings_are_refused() {
    let error = plugin_testing::handler(&echo_handler::PLUGIN, "loud").unwrap_err();
    assert!(error.to_string().contains("echo has no settings; leave them out"), "{error}");
}
