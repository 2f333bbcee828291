//! Other ways to nginx, and from it to upstreams.

use backend_e2e::Setup;
use serde_json::json;

use crate::with_each;

#[test]
fn streams_of_http2_wait_each_for_its_own_answer() {
    let setup = Setup::default()
        .with_host("later.test", json!({ "after_ms": 50, "upstreams": [["127.0.0.1:8002", 1]] }))
        .with_host("never.test", json!({ "does": "nothing" }))
        .with_http("set_backend_timeout 200ms; set_backend_missing 503;")
        .with_server("listen unix:/run/nginx/http2.sock http2;");
    with_each(&setup, |nginx| {
        for path in ["/variable/", "/balanced/"] {
            let hosts =
                ["later.test", "ONE.test:443", "never.test", "unknown.test", "three.test", "later.test"];
            let answers = nginx.get_all_by_http2("http2.sock", path, &hosts);
            let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
            assert_eq!(statuses, [200, 200, 503, 503, 200, 200], "{answers:?}");
            for (index, name) in [(0, "two "), (1, "one "), (4, "three "), (5, "two ")] {
                assert!(answers[index].1.starts_with(name), "{answers:?}");
            }
        }
    });
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let setup = Setup::default()
        .with_host("later.test", json!({ "after_ms": 50, "upstreams": [["127.0.0.1:8002", 1]] }));
    with_each(&setup, |nginx| {
        for path in ["/variable/", "/balanced/"] {
            let answer = nginx.send(&format!(
                "GET {path}1 HTTP/1.1\r\nHost: later.test\r\n\r\nGET {path}2 HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n"
            ));
            let (first, second) = (answer.body.find("two GET "), answer.body.find("one GET "));
            assert!(first.is_some() && first < second, "{answer:?}");
        }
    });
}

#[test]
fn a_large_body_comes_through_though_its_request_waits() {
    let setup = Setup::default()
        .with_http("client_max_body_size 8m; server { listen 127.0.0.1:8004; location / { proxy_pass http://127.0.0.1:8005; } }")
        // Answers with the length of what it was sent, which it has read.
        .with_http("server { listen 127.0.0.1:8005; location / { return 200 'got $content_length\\n'; } }")
        .with_host("later.test", json!({ "after_ms": 50, "upstreams": [["127.0.0.1:8004", 1]] }))
        .with_server("location /unbuffered { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://by_host; }");
    with_each(&setup, |nginx| {
        let body = "x".repeat(2 << 20);
        for path in ["/variable/", "/balanced/", "/unbuffered"] {
            let answer = nginx.send(&format!(
                "POST {path} HTTP/1.1\r\nHost: later.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ));
            assert_eq!(answer.body, format!("got {}\n", body.len()), "{path}");
        }
    });
}

#[test]
fn upstreams_may_speak_tls() {
    let made = rcgen::generate_simple_self_signed(vec!["secure.test".to_owned()]).unwrap();
    let setup = Setup::default()
        .with_file("certificate.pem", &made.cert.pem())
        .with_file("key.pem", &made.signing_key.serialize_pem())
        .with_http(
            "server { listen 127.0.0.1:8443 ssl; ssl_certificate /run/nginx/certificate.pem; ssl_certificate_key /run/nginx/key.pem;
               location / { return 200 'secure $ssl_server_name $connection\\n'; } }
             upstream secure { set_backend_balancer; keepalive 4; }",
        )
        .with_host("secure.test", json!({ "upstreams": [["127.0.0.1:8443", 1]] }))
        .with_server(
            "proxy_ssl_trusted_certificate /run/nginx/certificate.pem; proxy_ssl_verify on; proxy_ssl_name $host; proxy_ssl_server_name on;
             location /secure { proxy_pass https://secure; proxy_http_version 1.1; proxy_set_header Connection ''; }
             location /secure-variable { set_backend $backend; proxy_pass https://$backend$request_uri; }",
        );
    with_each(&setup, |nginx| {
        let first = nginx.get("secure.test", "/secure").body;
        assert!(first.starts_with("secure secure.test "), "{first:?}");
        assert_eq!(nginx.get("secure.test", "/secure").body, first, "over the same connection");
        for _ in 0..3 {
            let answer = nginx.get("secure.test", "/secure-variable");
            assert!(answer.body.starts_with("secure secure.test "), "{answer:?}");
        }
    });
}
