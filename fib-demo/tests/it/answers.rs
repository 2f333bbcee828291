//! What is answered to whom.

use std::io::Write;
use std::net::TcpStream;

use crate::lab::{Program, plugin, read};

#[test]
fn numbers_come_as_json() {
    let program = Program::start(&[]);
    for (n, number) in [(0, 0), (1, 1), (2, 1), (10, 55), (30, 832_040_u64)] {
        let answer = program.get(&format!("/fib/{n}"));
        assert_eq!((answer.status, answer.body), (200, format!("{{\"result\": {number}}}")));
        assert!(answer.head.contains("\r\ncontent-type: application/json"), "{}", answer.head);
    }
    let head = program.request("HEAD", "/fib/30");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("\r\ncontent-length: 18\r\n"), "{}", head.head);
    assert_eq!(program.get("/fib/10?n=20").body, r#"{"result": 55}"#);
}

/// The original answers -1 with -1, gives `05` and `+7` keys of their own, and overflows above 92.
#[test]
fn what_is_no_n_is_refused_and_never_comes_to_the_cache() {
    let program = Program::start(&[&plugin("memory-cache")]);
    let long = "1".repeat(2_000);
    for n in ["-1", "05", "+7", "%2B7", "%30", "1e3", "7.0", "0x7", "seven", "94", "1000", &long] {
        let answer = program.get(&format!("/fib/{n}"));
        assert_eq!(answer.status, 400, "{n}: {answer:?}");
        let error = answer.error();
        assert!(error.contains("93") && error.contains(&n[..n.len().min(40)]), "{n}: {error}");
        assert!(error.len() < 200, "{error}");
    }
    let nothing = program.get("/fib/");
    assert_eq!(nothing.status, 400);
    assert_eq!(nothing.error(), "n is missing; write a whole number from 0 to 93, as in /fib/40");
    assert_eq!((program.metric("cache_misses_total"), program.metric("computations_begun_total")), (0, 0));
}

#[test]
fn other_paths_and_methods_are_refused_in_json() {
    let program = Program::start(&[]);
    for path in ["/", "/fib", "/fib/1/", "/fib/1/2", "/FIB/1", "/healthz", "/metrics"] {
        let answer = program.get(path);
        assert_eq!((answer.status, answer.error().as_str()), (404, "there is nothing here; ask for /fib/40"));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
        let answer = program.request(method, "/fib/1");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("\r\nallow: get, head\r\n"), "{}", answer.head);
        assert_eq!(answer.error(), format!("{method} is not for numbers; use GET or HEAD"));
    }
    let mut stream = TcpStream::connect(program.address).unwrap();
    stream.write_all(b"GET /fib/1 HTTP/1.1\r\n\r\n").unwrap();
    let answer = read(stream);
    assert_eq!((answer.status, answer.error().as_str()), (400, "bad request"));
}

#[test]
fn who_waits_too_long_is_told_to_come_back() {
    let program = Program::start(&["--compute-timeout", "300ms", "--compute-threads", "1"]);
    let answer = program.get("/fib/93");
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("\r\nretry-after: 1\r\n"), "{}", answer.head);
    assert!(answer.error().starts_with("fib(93) was not computed within 300ms; "), "{}", answer.error());
    // The only thread is free again.
    assert_eq!(program.get("/fib/20").body, r#"{"result": 6765}"#);
    assert_eq!(program.metric(r#"computations_ended_total{outcome="cancelled"}"#), 1);

    // Time in the queue counts.
    let first = program.ask("/fib/93");
    program.wait_for_metric("computations_running", |running| running == 1);
    let second = program.ask("/fib/92");
    assert_eq!([read(first).status, read(second).status], [503, 503]);
}

#[test]
fn several_numbers_are_computed_at_once_and_the_others_wait_in_order() {
    let program = Program::start(&["--compute-threads", "2"]);
    let asked: Vec<_> = [91, 92, 93].map(|n| program.ask(&format!("/fib/{n}"))).into();
    program.wait_for_metric("requests_waiting", |waiting| waiting == 3);
    program.wait_for_metric("computations_running", |running| running == 2);
    assert_eq!(program.metric("computations_queued"), 1);
    // Answers that need no computing do not wait behind them.
    assert_eq!(program.get("/fib/94").status, 400);
    drop(asked);
    program.wait_for_metric("requests_waiting", |waiting| waiting == 0);
}

#[test]
fn a_hundred_who_want_one_number_have_it_computed_once() {
    let program = Program::start(&[]);
    // More than a second of computing, in which all of them come.
    let asked: Vec<_> = (0..100).map(|_| program.ask("/fib/43")).collect();
    for stream in asked {
        assert_eq!(read(stream).body, r#"{"result": 433494437}"#);
    }
    assert_eq!(program.metric("computations_begun_total"), 1);
}
