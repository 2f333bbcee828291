//! Resolvers that do not know yet: the request waits, the worker does not.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use backend_e2e::{Nginx, Setup};
use rustix::process::Signal;
use serde_json::json;
use test_services::wait_for;

use crate::{PATIENCE, lines_with, with_each};

fn setup() -> Setup {
    Setup::default()
        .with_host("later.test", json!({ "after_ms": 100, "upstreams": [["127.0.0.1:8001", 1]] }))
        .with_host("never.test", json!({ "does": "nothing" }))
        .with_server(
            "location /hasty { set_backend_timeout 100ms; set_backend_missing 503; set_backend $backend; proxy_pass http://$backend$request_uri; }
             location /hasty-balanced { set_backend_timeout 100ms; set_backend_missing 502; proxy_pass http://by_host; }
             location /patient { set_backend_timeout 1h; proxy_pass http://by_host; }
             location /patient-variable { set_backend_timeout 1h; set_backend $backend; proxy_pass http://$backend$request_uri; }",
        )
}

#[test]
fn a_request_waits_for_its_answer() {
    with_each(&setup(), |nginx| {
        for path in ["/variable/x?y", "/balanced/x?y"] {
            let started = Instant::now();
            let answer = nginx.get("later.test", path);
            assert!(answer.body.starts_with(&format!("one GET {path} later.test ")), "{answer:?}");
            assert!(started.elapsed() >= Duration::from_millis(100));
            let posted = format!(
                "POST {path} HTTP/1.1\r\nHost: later.test\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
            );
            assert!(nginx.send(&posted).body.starts_with("one POST "));
        }
        assert!(lines_with(&nginx.log(), "[error]").is_empty(), "{}", nginx.log());
    });
}

#[test]
fn a_request_does_not_wait_for_ever() {
    with_each(&setup(), |nginx| {
        assert_eq!(nginx.get("never.test", "/hasty").status, 503);
        assert_eq!(nginx.get("never.test", "/hasty-balanced").status, 502);
        let started = Instant::now();
        assert_eq!(nginx.get("never.test", "/balanced/").status, 404);
        assert!(started.elapsed() >= Duration::from_millis(990), "a second is the default");
        nginx.wait_for_log("the resolver did not answer in time");
        assert!(nginx.get("one.test", "/balanced/").body.starts_with("one "));
    });
}

#[test]
fn nobody_else_waits() {
    with_each(&setup(), |nginx| {
        let waiting: Vec<_> = (0..20).map(|_| send(nginx, "never.test", "/patient")).collect();
        for _ in 0..50 {
            assert!(nginx.get("one.test", "/balanced/").body.starts_with("one "));
        }
        for mut stream in waiting {
            stream.set_nonblocking(true).unwrap();
            let answer = stream.read(&mut [0]).unwrap_err();
            assert_eq!(answer.kind(), ErrorKind::WouldBlock, "these waited all the time");
        }
    });
}

/// Sends a request, whose answer is not waited for.
fn send(nginx: &Nginx, host: &str, path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(nginx.socket()).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    stream
}

#[test]
fn many_may_wait_at_once() {
    with_each(&setup(), |nginx| {
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..60)
                .map(|index| {
                    let path = if index % 2 == 0 { "/patient" } else { "/patient-variable" };
                    scope.spawn(move || nginx.get("later.test", path).body)
                })
                .collect();
            for one in waiting {
                let body = one.join().unwrap();
                assert!(body.starts_with("one "), "{body:?}");
            }
        });
    });
}

#[test]
fn a_client_may_go_away_meanwhile() {
    with_each(&setup(), |nginx| {
        let worker = nginx.workers()[0].pid;
        for path in ["/patient", "/patient-variable"] {
            for host in ["never.test", "later.test"] {
                drop(send(nginx, host, path));
            }
        }
        wait_for("four requests of clients that went away", PATIENCE, || {
            let log = std::fs::read_to_string(nginx.folder().join("access.log")).unwrap_or_default();
            (lines_with(&log, "\" 499 ").len() == 4).then_some(())
        });
        // Those that were rung for in vain must not have been touched.
        assert!(nginx.get("later.test", "/patient").body.starts_with("one "));
        assert_eq!(nginx.workers()[0].pid, worker);
    });
}

#[test]
fn a_worker_that_is_to_quit_lets_those_who_wait_finish() {
    let setup =
        setup().with_host("slow.test", json!({ "after_ms": 800, "upstreams": [["127.0.0.1:8001", 1]] }));
    with_each(&setup, |nginx| {
        let worker = nginx.workers()[0].clone();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| nginx.get("slow.test", "/patient").body);
            wait_for("the request at the worker", PATIENCE, || {
                // A thread of the resolver's for this request, beside nginx's own and the one that every instance has.
                (worker.threads() > 2).then_some(())
            });
            nginx.reload();
            let body = waiting.join().unwrap();
            // The upstream is a server of this nginx, and listens on.
            assert!(body.starts_with("one "), "{body:?}");
        });
        wait_for("the end of the old worker", PATIENCE, || (!worker.is_there()).then_some(()));
        nginx.wait_for_log("exited with code 0");
    });
}

#[test]
fn a_worker_that_is_to_stop_does_so_though_somebody_waits() {
    with_each(&setup(), |nginx| {
        let master = nginx.master();
        let _waiting = send(nginx, "never.test", "/patient");
        // Answered after the other was taken up, by the same worker.
        assert!(nginx.get("one.test", "/balanced/").body.starts_with("one "));
        master.signal(Signal::TERM);
        wait_for("the end of nginx", PATIENCE, || (!master.is_there()).then_some(()));
    });
}
