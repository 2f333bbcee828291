//! Clients that send too much or too slowly.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

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
fn bytes_that_drip_do_not_buy_time() {
    let lab = lab();
    let server = lab.serve(&["--read-timeout", "500ms"]);
    let head = "POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    // A byte every 20 ms: a head of a minute, and a body of hours.
    for (at_once, dripping) in [("", head.repeat(100)), (head, "x".repeat(100_000))] {
        let mut client = server.connect();
        client.write_all(at_once.as_bytes()).unwrap();
        let started = Instant::now();
        let cut_off = dripping.bytes().position(|byte| {
            std::thread::sleep(Duration::from_millis(20));
            client.write_all(&[byte]).is_err()
        });
        assert!(cut_off.is_some(), "all of it was taken");
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let much = "WORK=static char part[65536]; for (int i = 0; i < 800; i++) response->write_body(response->context, dynlab_bytes(part, sizeof part));";
    let lab = Lab::new().handler("much.so", &[much]);
    let mut server = lab.serve(&["--write-timeout", "400ms", "--log-level", "debug"]);
    let mut client = server.connect();
    client.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    server.wait_for_log("connection cut off, it took too long");
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert!(answer.len() < 800 * 65_536, "all of it came");

    // One that takes it, if slowly, gets all of it.
    let mut client = server.connect();
    client.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let (mut taken, mut part) = (0, vec![0; 1 << 20]);
    loop {
        let bytes = client.read(&mut part).unwrap();
        if bytes == 0 {
            break;
        }
        taken += bytes;
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(taken > 800 * 65_536, "{taken}");
}

#[test]
fn a_connection_without_a_next_request_ends() {
    let lab = lab();
    let server = lab.serve(&["--idle-timeout", "300ms", "--read-timeout", "60s"]);
    let started = Instant::now();
    let answer = server.exchange(b"POST /post HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("taken"), "{answer}");
    assert!(started.elapsed() >= Duration::from_millis(300) && started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_client_that_has_said_all_is_still_answered() {
    let lab = lab();
    let server = lab.serve(&[]);
    let mut client = server.connect();
    client.write_all(b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("taken"), "{answer}");
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
