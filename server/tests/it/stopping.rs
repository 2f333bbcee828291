//! SIGTERM and SIGINT: open requests finish, nobody new is let in, and there is an end to waiting.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use rustix::process::Signal;

use crate::lab::{Lab, PATIENCE};

#[test]
fn a_request_in_flight_is_answered_and_then_the_server_ends() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""]);
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = lab.serve(&["--shutdown-deadline", "60s", "--read-timeout", "60s"]);
        let mut stream = server.begin_post();

        server.signal(signal);
        server.wait_for_log("msg=stopping");
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(server.address).is_ok() {
            assert!(Instant::now() < deadline, "it still lets clients in");
            std::thread::yield_now();
        }
        stream.write_all(b"body").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("taken"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");

        let (status, log) = server.wait();
        assert!(status.success(), "{status}: {log}");
        assert!(log.ends_with("msg=stopped"), "{log}");
    }
}

#[test]
fn a_busy_handler_finishes_its_answer() {
    let lab = Lab::new().handler("slow.so", &["WORK=extern int usleep(unsigned); usleep(300000);"]);
    let mut server = lab.serve(&["--threads", "1"]);
    let mut stream = server.connect();
    stream.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    server.signal(Signal::TERM);
    server.wait_for_log("msg=stopping");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("1.0.0"), "{answer}");
    assert!(server.wait().0.success());
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&["--shutdown-deadline", "60s"]);
    let mut kept = server.connect();
    kept.write_all(b"GET /ip HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut start = [0; 15];
    kept.read_exact(&mut start).unwrap();
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert!(status.success() && log.ends_with("msg=stopped"), "{status}: {log}");
}

#[test]
fn the_deadline_ends_the_wait() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\""]);
    let server = lab.serve(&["--shutdown-deadline", "200ms", "--read-timeout", "60s"]);
    let _stream = server.begin_post();
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{status}: {log}");
    assert!(log.contains("stopped at the deadline, connections were cut off\" connections=1"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\""]);
    let mut server = lab.serve(&["--shutdown-deadline", "60s", "--read-timeout", "60s"]);
    let _stream = server.begin_post();
    server.signal(Signal::TERM);
    server.wait_for_log("msg=stopping");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(1));
}
