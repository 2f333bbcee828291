//! `set_backend $variable;`

use backend_e2e::{Setup, Upstream};
use serde_json::json;

use crate::with_each;

#[test]
fn a_request_goes_to_the_upstream_of_its_host_as_it_is() {
    with_each(&Setup::default(), |nginx| {
        let one = nginx.get("one.test", "/variable/a%20b//c?x=%2F&y");
        assert_eq!(one.status, 200);
        assert!(one.body.starts_with("one GET /variable/a%20b//c?x=%2F&y one.test "), "{one:?}");
        assert!(nginx.get("two.test", "/variable/").body.starts_with("two GET /variable/ two.test "));
        let posted = "POST /variable/ HTTP/1.1\r\nHost: three.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        assert!(nginx.send(posted).body.starts_with("three POST /variable/ three.test "));
    });
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let setup = Setup::default()
        .with_host("unix.test", json!({ "upstreams": [["unix:/run/nginx/upstream.sock", 1]] }))
        .with_server("location /no-path { set_backend $backend; proxy_pass http://$backend; }");
    with_each(&setup, |nginx| {
        let upstream = Upstream::listen(&nginx.folder().join("upstream.sock"), "socket");
        assert_eq!(nginx.get("unix.test", "/variable/a?b").body, "socket GET /variable/a?b HTTP/1.0\n");
        assert_eq!(nginx.get("unix.test", "/no-path/c").body, "socket GET /no-path/c HTTP/1.0\n");
        assert_eq!(upstream.requests(), 2);
    });
}

#[test]
fn an_upstream_may_have_an_address_of_ipv6() {
    let setup = Setup::default()
        .with_host("six.test", json!({ "upstreams": [["[::1]:8006", 1]] }))
        .with_http("server { listen [::1]:8006; location / { return 200 'six $request_uri\\n'; } }");
    with_each(&setup, |nginx| {
        assert_eq!(nginx.get("six.test", "/variable/x").body, "six /variable/x\n");
        assert_eq!(nginx.get("six.test", "/balanced/x").body, "six /balanced/x\n");
    });
}

#[test]
fn nobody_is_asked_before_the_variable_is_used() {
    let setup = Setup::default()
        .with_host("failing.test", json!({ "does": "fail" }))
        .with_server(
            "set_backend $backend;
             location /returned { return 200 'no upstream\\n'; }
             location /elsewhere { proxy_pass http://127.0.0.1:8001; }
             location /chosen { if ($arg_backend) { set $backend $arg_backend; } proxy_pass http://$backend$request_uri; }",
        );
    with_each(&setup, |nginx| {
        assert_eq!(nginx.get("failing.test", "/returned").body, "no upstream\n");
        assert_eq!(nginx.get("failing.test", "/elsewhere").status, 200);
        assert_eq!(nginx.get("unknown.test", "/elsewhere").status, 200);
        let chosen = nginx.get("failing.test", "/chosen?backend=127.0.0.1:8002");
        assert!(chosen.body.starts_with("two "), "{chosen:?}");
        assert!(!nginx.log().contains("the resolver failed"), "{}", nginx.log());
        // And that it would have been seen:
        assert_eq!(nginx.get("failing.test", "/variable/").status, 404);
        nginx.wait_for_log("the resolver failed for failing.test: call.failed: the script says so");
    });
}

#[test]
fn the_variable_serves_elsewhere_and_stays_the_same_for_a_request() {
    let setup = Setup::default()
        .with_host("both.test", json!({ "upstreams": [["127.0.0.1:8001", 1], ["127.0.0.1:8002", 1]] }))
        .with_server(
            "location /header { set_backend $backend; add_header X-Backend \"$backend\" always; proxy_pass http://$backend$request_uri; }
             location /rewritten { set_backend $backend; if ($backend = '') { return 204; } return 200 $backend; }",
        );
    with_each(&setup, |nginx| {
        for _ in 0..8 {
            let answer = nginx.get("both.test", "/header");
            let port = if answer.body.starts_with("one ") { 8001 } else { 8002 };
            assert!(answer.head.contains(&format!("X-Backend: 127.0.0.1:{port}")), "{answer:?}");
        }
        assert_eq!(nginx.get("one.test", "/rewritten").body, "127.0.0.1:8001");
        assert_eq!(nginx.get("unknown.test", "/rewritten").status, 204);
    });
}

#[test]
fn several_upstreams_get_their_shares() {
    let setup = Setup::default()
        .with_host("shares.test", json!({ "upstreams": [["127.0.0.1:8001", 3], ["127.0.0.1:8002", 1]] }));
    with_each(&setup, |nginx| {
        for path in ["/variable/", "/balanced/"] {
            let bodies: Vec<String> = (0..80).map(|_| nginx.get("shares.test", path).body).collect();
            let count = |name: &str| bodies.iter().filter(|body| body.starts_with(name)).count();
            assert_eq!(count("one ") + count("two "), 80);
            assert!(count("one ").abs_diff(60) <= 4, "{path}: {} of 80", count("one "));
        }
    });
}

#[test]
fn a_subrequest_has_its_own_upstream() {
    let setup = Setup::default().with_server(
        "location /guarded { auth_request /variable/guard; proxy_pass http://by_host; }
         location /late-guarded { auth_request /balanced/guard; set_backend $backend; proxy_pass http://$backend$request_uri; }",
    );
    let setup =
        setup.with_host("later.test", json!({ "after_ms": 20, "upstreams": [["127.0.0.1:8003", 1]] }));
    with_each(&setup, |nginx| {
        assert!(nginx.get("one.test", "/guarded").body.starts_with("one "));
        assert!(nginx.get("later.test", "/guarded").body.starts_with("three "));
        assert!(nginx.get("later.test", "/late-guarded").body.starts_with("three "));
        // A guard that says 404 is an error of the guard.
        assert_eq!(nginx.get("unknown.test", "/guarded").status, 500);
    });
}
