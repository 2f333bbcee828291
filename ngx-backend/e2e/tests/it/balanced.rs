//! `set_backend_balancer;`

use std::collections::BTreeSet;
use std::time::Instant;

use backend_e2e::{Setup, Upstream};
use serde_json::json;
use test_services::wait_for;

use crate::{PATIENCE, lines_with, with_each};

#[test]
fn connections_to_upstreams_are_kept() {
    let setup = Setup::default()
        .with_host("socket.test", json!({ "upstreams": [["unix:/run/nginx/upstream.sock", 1]] }));
    with_each(&setup, |nginx| {
        let upstream = Upstream::listen(&nginx.folder().join("upstream.sock"), "socket");
        for _ in 0..50 {
            assert_eq!(nginx.get("socket.test", "/balanced/x").body, "socket GET /balanced/x HTTP/1.1\n");
        }
        assert_eq!((upstream.requests(), upstream.connections()), (50, 1));
        // Hosts share the block, and not their connections.
        let connection = |host: &str| {
            let body = nginx.get(host, "/balanced/").body;
            body.trim().rsplit(' ').next().unwrap_or_default().to_owned()
        };
        let mut connections = BTreeSet::new();
        for _ in 0..20 {
            connections.insert((1, connection("one.test")));
            connections.insert((2, connection("two.test")));
        }
        assert_eq!(connections.len(), 2, "{connections:?}");
    });
}

#[test]
fn an_upstream_that_fails_is_left_out_for_a_while() {
    let setup = Setup::default()
        .with_http("upstream impatient { set_backend_balancer max_fails=1 fail_timeout=300ms; }")
        .with_server("location /impatient { proxy_pass http://impatient; }")
        .with_host("half.test", json!({ "upstreams": [["127.0.0.1:8009", 1], ["127.0.0.1:8001", 1]] }))
        .with_host(
            "healing.test",
            json!({ "upstreams": [["unix:/run/nginx/healing.sock", 1], ["127.0.0.1:8001", 1]] }),
        );
    with_each(&setup, |nginx| {
        for _ in 0..30 {
            assert!(nginx.get("half.test", "/balanced/").body.starts_with("one "), "the next one takes over");
        }
        let log = nginx.log();
        assert_eq!(lines_with(&log, "connect() failed").len(), 1, "{log}");
        assert_eq!(lines_with(&log, "127.0.0.1:8009 is left out for 10s").len(), 1, "{log}");
        assert_eq!(lines_with(&log, "heard of half.test: 127.0.0.1:8009 Failed").len(), 1, "{log}");
        assert_eq!(lines_with(&log, "heard of half.test: 127.0.0.1:8001 Ok").len(), 30, "{log}");

        let left_out = wait_for("a request that finds nobody on the socket", PATIENCE, || {
            // Before it can be left out.
            let asked = Instant::now();
            assert!(nginx.get("healing.test", "/impatient").body.starts_with("one "));
            nginx.log().contains("healing.sock is left out").then_some(asked)
        });
        let upstream = Upstream::listen(&nginx.folder().join("healing.sock"), "healed");
        wait_for("a request to the upstream that came back", PATIENCE, || {
            let body = nginx.get("healing.test", "/impatient").body;
            body.starts_with("healed ").then_some(())
        });
        // nginx reads its clock once a round.
        assert!(left_out.elapsed().as_millis() >= 290, "{:?}", left_out.elapsed());
        assert!(upstream.requests() >= 1);
    });
}

#[test]
fn the_last_upstream_is_tried_even_if_it_failed() {
    let setup = Setup::default()
        .with_host("dead.test", json!({ "upstreams": [["127.0.0.1:8009", 1]] }))
        .with_host("socket.test", json!({ "upstreams": [["unix:/run/nginx/upstream.sock", 1]] }));
    with_each(&setup, |nginx| {
        assert_eq!(nginx.get("dead.test", "/balanced/").status, 502);
        assert_eq!(nginx.get("dead.test", "/variable/").status, 502);
        assert_eq!(nginx.get("socket.test", "/balanced/").status, 502);
        let _upstream = Upstream::listen(&nginx.folder().join("upstream.sock"), "back");
        assert_eq!(nginx.get("socket.test", "/balanced/x").body, "back GET /balanced/x HTTP/1.1\n");
    });
}

#[test]
fn bodies_and_errors_of_upstreams_pass() {
    let setup = Setup::default()
        .with_http("server { listen 127.0.0.1:8004; location / { return 503 'busy\\n'; } }")
        .with_host("busy.test", json!({ "upstreams": [["127.0.0.1:8004", 1]] }));
    with_each(&setup, |nginx| {
        let body = "x".repeat(100_000);
        let posted = format!(
            "POST /balanced/ HTTP/1.1\r\nHost: one.test\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        assert!(nginx.send(&posted).body.starts_with("one POST /balanced/ one.test "));
        let busy = nginx.get("busy.test", "/balanced/");
        assert_eq!((busy.status, busy.body.as_str()), (503, "busy\n"));
    });
}

#[test]
fn a_block_that_a_variable_names_is_balanced_too() {
    let setup =
        Setup::default().with_server("location /named { set $block by_host; proxy_pass http://$block; }");
    with_each(&setup, |nginx| {
        assert!(nginx.get("one.test", "/named").body.starts_with("one "));
        // Found out where nginx knows no other answer than that nobody is there.
        assert_eq!(nginx.get("unknown.test", "/named").status, 502);
    });
}

#[test]
fn other_ways_of_passing_wait_and_miss_alike() {
    let setup = Setup::default()
        .with_server("location /fast { fastcgi_pass by_host; } location /fast-variable { set_backend $backend; fastcgi_pass $backend; }")
        .with_host("later.test", json!({ "after_ms": 20, "upstreams": [["127.0.0.1:8009", 1]] }));
    with_each(&setup, |nginx| {
        for path in ["/fast", "/fast-variable"] {
            assert_eq!(nginx.get("unknown.test", path).status, 404);
            assert_eq!(nginx.get("later.test", path).status, 502, "nobody listens there");
        }
        assert!(nginx.log().contains("upstream: \"fastcgi://127.0.0.1:8009\""), "{}", nginx.log());
    });
}
