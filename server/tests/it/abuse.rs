//! What clients send that they should not, and how much of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::blocking::get;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::lab::{Lab, Server};

fn lab() -> Lab {
    Lab::new().ip("ip.so").handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""])
}

/// The statuses of the answers to one lot of bytes.
fn statuses(server: &Server, bytes: &[u8]) -> Vec<String> {
    let answer = server.exchange(bytes);
    answer.split("HTTP/1.").skip(1).map(|part| part[2..5].to_owned()).collect()
}

#[test]
fn malformed_requests_have_one_answer_and_no_second_chance() {
    let lab = lab();
    let server = lab.serve(&["--read-timeout", "2s"]);
    let next = "GET /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let cases: [(&[u8], &str); 29] = [
        // Request lines.
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
        (b"GET\r\n\r\n", "400"),
        (b"GET /ip\r\n\r\n", "400"),
        (b"GET  /ip HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1 more\r\nhost: x\r\n\r\n", "400"),
        (b"GET /ip HTTP/2.0\r\nhost: x\r\n\r\n", "400"),
        (b"G@T /ip HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"GET /i\0p HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"GET ip HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"GET * HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        (b"CONNECT /ip HTTP/1.1\r\nhost: x\r\n\r\n", "501"),
        (b"CONNECT far.example:80 HTTP/1.1\r\nhost: x\r\n\r\n", "501"),
        // Fields.
        (b"GET /ip HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\na : b\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\na: b\r\n folded\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\na\0: b\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\n\r\n", "400"),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "400"),
        // Framing.
        (b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: +1\r\n\r\na", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, gzip\r\n\r\n", "400"),
        (b"POST /post HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "400"),
        (b"POST /post HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "400"),
    ];
    for (request, expected) in cases {
        let followed = [request, next.as_bytes()].concat();
        let found = statuses(&server, &followed);
        assert_eq!(found, [expected], "{:?}", String::from_utf8_lossy(request));
    }
    assert_eq!(statuses(&server, next.as_bytes()), ["200"]);
}

#[test]
fn unusual_requests_are_understood() {
    let lab = lab();
    let server = lab.serve(&[]);
    let cases: [(&[u8], &[&str]); 8] = [
        (b"GET http://example.org/ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", &["200"]),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", &["204"]),
        (b"\r\n\r\nGET /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", &["200"]),
        (b"GET /ip HTTP/1.0\r\n\r\n", &["200"]),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n", &["200"]),
        (b"GET /ip HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /ip HTTP/1.0\r\n\r\n", &["200", "200"]),
        (
            b"POST /post HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 1\r\nconnection: close\r\n\r\na",
            &["200"],
        ),
        (b"GET /ip HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nab", &["200"]),
    ];
    for (request, expected) in cases {
        assert_eq!(statuses(&server, request), expected, "{:?}", String::from_utf8_lossy(request));
    }
}

#[test]
fn a_request_hidden_behind_two_lengths_is_not_served() {
    let lab = lab();
    let server = lab.serve(&[]);
    // A proxy that goes by the length hands all of it on as one body; the chunks end before the hidden request.
    let hidden = "0\r\n\r\nGET /ip HTTP/1.1\r\nhost: x\r\n\r\n";
    for lengths in [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", hidden.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", hidden.len()),
    ] {
        let request = format!("POST /post HTTP/1.1\r\nhost: x\r\n{lengths}\r\n{hidden}");
        assert_eq!(statuses(&server, request.as_bytes()), ["200"], "{request}");
    }
}

#[test]
fn long_targets_and_many_fields_are_refused_by_size() {
    let lab = lab();
    let server = lab.serve(&["--head-limit", "200000"]);
    let target = "x".repeat(70_000);
    let found = statuses(&server, format!("GET /{target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes());
    assert_eq!(found, ["414"]);
    let fields: String = (0..200).map(|number| format!("a{number}: b\r\n")).collect();
    let found = statuses(&server, format!("GET /ip HTTP/1.1\r\nhost: x\r\n{fields}\r\n").as_bytes());
    assert_eq!(found, ["431"]);
}

#[test]
fn http_2_is_not_spoken_and_not_answered() {
    let lab = lab();
    let server = lab.serve(&[]);
    let answer = server.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(answer, "");
}

#[test]
fn whoever_sends_too_much_can_still_read_why_it_is_refused() {
    let lab = lab();
    let server = lab.serve(&["--body-limit", "1000"]);
    let client = reqwest::blocking::Client::new();
    for _ in 0..5 {
        let response = client.post(server.url("/post")).body(vec![b'x'; 8 << 20]).send().unwrap();
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["connection"], "close");
        assert_eq!(response.text().unwrap(), "Payload Too Large\n");
    }
}

const IDLE: usize = 10_000;
/// Most memory that a connection may hold while nothing is under way, in KiB. hyper keeps two buffers of 8 KiB, of which a small
/// request touches one page each; the rest is its state and ours.
const IDLE_CONNECTION: usize = 16;
/// The same for one that has never said anything.
const SILENT_CONNECTION: usize = 4;

#[test]
fn ten_thousand_idle_connections_take_bounded_memory_and_keep_nobody_out() {
    let files = (IDLE + 1_000) as u64;
    if !may_open(files) {
        eprintln!("skipped: the hard limit of open files is below {files}");
        return;
    }
    let lab = lab();
    let most = (IDLE + 50).to_string();
    let server = lab.serve(&[
        "--max-connections",
        &most,
        "--read-timeout",
        "600s",
        "--idle-timeout",
        "600s",
        "--access-log",
        "off",
    ]);
    assert_eq!(get(server.url("/ip")).unwrap().status(), 200);
    let at_first = resident(&server);

    let mut clients: Vec<TcpStream> = (0..IDLE).map(|_| server.connect()).collect();
    // Each worker takes connections in turn, so one that is answered last has all others before it on its socket.
    for _ in 0..20 {
        assert_eq!(get(server.url("/ip")).unwrap().status(), 200);
    }
    let silent = resident(&server) - at_first;
    for client in &mut clients {
        client.write_all(b"GET /ip HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    for client in &mut clients {
        client.read_exact(&mut [0; 15]).unwrap();
    }
    assert_eq!(get(server.url("/ip")).unwrap().status(), 200);
    let idle = resident(&server) - at_first;
    eprintln!("{silent} KiB for {IDLE} silent connections, {idle} KiB for as many idle ones");
    assert!(silent < IDLE * SILENT_CONNECTION, "{silent} KiB for {IDLE} silent connections");
    assert!(idle < IDLE * IDLE_CONNECTION, "{idle} KiB for {IDLE} idle connections");
}

/// Raises this process's limit of open files, if it may.
fn may_open(files: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= files) {
        return true;
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum }).is_ok()
}

/// The server's resident memory in KiB.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
