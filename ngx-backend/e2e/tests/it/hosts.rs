//! Which host is asked for, whatever a client sends.

use backend_e2e::{Answer, Setup};
use serde_json::json;

use crate::with_each;

#[track_caller]
fn check(answer: &Answer, expected: &str) {
    assert!(answer.body.starts_with(expected), "{answer:?}");
}

#[test]
fn one_host_is_written_in_many_ways() {
    let setup = Setup::default().with_host("[::1]", json!({ "upstreams": [["127.0.0.1:8003", 1]] }));
    with_each(&setup, |nginx| {
        for path in ["/variable/", "/balanced/"] {
            for host in ["one.test", "ONE.test", "oNe.TeSt:80", "one.test:8443", "one.test.", "One.Test.:80"]
            {
                check(&nginx.get(host, path), "one ");
            }
            check(&nginx.get("[::1]", path), "three ");
            check(&nginx.get("[::1]:8080", path), "three ");
            // The host in the request's first line is the one that counts (RFC 9112, section 3.2.2).
            let absolute = format!(
                "GET http://TWO.test:80{path} HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n"
            );
            check(&nginx.send(&absolute), "two ");
        }
    });
}

#[test]
fn no_host_is_an_unknown_host() {
    let setup = Setup::default().with_server(
        "location /with-default { set_backend_default 127.0.0.1:8003; proxy_pass http://by_host; }",
    );
    with_each(&setup, |nginx| {
        let worker = nginx.workers()[0].pid;
        for path in ["/variable/", "/balanced/"] {
            for host in ["", "Host:\r\n", "Host: \r\n"] {
                let status = nginx.send(&format!("GET {path} HTTP/1.0\r\n{host}\r\n")).status;
                // An empty one is an error of the client, found by nginx itself.
                assert!(status == 404 || (!host.is_empty() && status == 400), "{host:?} {status}");
            }
            assert_eq!(nginx.get("", path).status, 400);
            let none = nginx.send(&format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
            assert_eq!(none.status, 400, "HTTP/1.1 wants a host");
            assert_eq!(nginx.send("GET /variable/\r\n").status, 0, "HTTP/0.9 has no status");
        }
        check(&nginx.send("GET /with-default HTTP/1.0\r\n\r\n"), "three ");
        assert_eq!(nginx.workers()[0].pid, worker, "the worker that took all this still serves");
    });
}

#[test]
fn hosts_that_are_none_do_no_harm() {
    with_each(&Setup::default(), |nginx| {
        let worker = nginx.workers()[0].pid;
        for host in [
            "a%2Fb.test",
            "one.test%00",
            "..",
            ".",
            ":80",
            "[",
            "a b",
            "\u{7f}",
            "-",
            "*.test",
            &"a".repeat(4000),
        ] {
            for path in ["/variable/", "/balanced/"] {
                let status = nginx.get(host, path).status;
                assert!([400, 404].contains(&status), "{host:?} {status}");
            }
        }
        assert_eq!(nginx.workers()[0].pid, worker);
    });
}
