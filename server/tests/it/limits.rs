//! Clients that send too much or too slowly.

use std::io::Write;
use std::time::Instant;

use crate::lab::{Lab, PATIENCE, exchange};

fn lab() -> Lab {
    Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""])
}

#[test]
fn bodies_over_the_limit_are_refused_whether_or_not_their_length_is_declared() {
    let lab = lab();
    let server = lab.serve(&["--body-limit", "100"]);
    let head = "POST /post HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (size, status) in [(100, "200 OK"), (101, "413 Payload Too Large")] {
        let body = "x".repeat(size);
        for request in [
            format!("{head}content-length: {size}\r\n\r\n{body}"),
            format!("{head}transfer-encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"),
        ] {
            let answer = server.exchange(request.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{size}: {answer}");
        }
    }
}

#[test]
fn a_body_that_is_only_announced_is_refused_at_once() {
    let lab = lab();
    let server = lab.serve(&["--body-limit", "100"]);
    let answer = server.exchange(b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn heads_over_the_limit_are_refused() {
    let lab = lab();
    let server = lab.serve(&["--head-limit", "8192"]);
    let long = "x".repeat(20_000);
    let answer = server.exchange(format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn slow_heads_and_bodies_are_cut_off() {
    let lab = lab();
    let server = lab.serve(&["--read-timeout", "300ms"]);
    let started = Instant::now();
    assert_eq!(server.exchange(b"GET /post HTT"), "", "an unfinished head has no answer");
    let answer = server.exchange(b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let lab = lab();
    let server = lab.serve(&["--max-connections", "1", "--threads", "2"]);
    let mut first = server.connect();
    first.write_all(b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n").unwrap();
    let address = server.address;
    let second = std::thread::spawn(move || {
        exchange(address, b"POST /post HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    });
    // The first is served to its end whatever the second does, and then makes room for it.
    first.write_all(b"x").unwrap();
    drop(first);
    assert!(second.join().unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
}
