//! The access log: a line for each answer.

use std::io::Write;

use rustix::process::Signal;

use crate::lab::{Lab, exchange};

const TAIL: &str = "host: x\r\nconnection: close\r\n\r\n";

#[test]
fn every_answer_has_its_line() {
    let lab = Lab::new()
        .ip("ip.so")
        .handler("post.so", &["NAME=\"post\"", "METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""])
        .handler("bad.so", &["NAME=\"bad\"", "ROUTE=\"/bad\"", "WORK=return DYNLAB_STATUS_PANICKED;"]);
    let mut server = lab.serve(&["--body-limit", "10", "--read-timeout", "300ms"]);
    let long = "x".repeat(20_000);
    let cases = [
        (format!("GET /ip?a HTTP/1.1\r\n{TAIL}"), "method=GET target=/ip?a http=1.1 status=200 bytes=19"),
        (format!("HEAD /ip HTTP/1.1\r\n{TAIL}"), "method=HEAD target=/ip http=1.1 status=200 bytes=0"),
        ("GET /ip HTTP/1.0\r\n\r\n".to_owned(), "method=GET target=/ip http=1.0 status=200 bytes=19"),
        (format!("GET /no HTTP/1.1\r\n{TAIL}"), "method=GET target=/no http=1.1 status=404 bytes=10"),
        (format!("PUT /ip HTTP/1.1\r\n{TAIL}"), "method=PUT target=/ip http=1.1 status=405 bytes=19"),
        (format!("POST /post HTTP/1.1\r\ncontent-length: 1\r\n{TAIL}"), "target=/post http=1.1 status=408 "),
        (format!("POST /post HTTP/1.1\r\ncontent-length: 11\r\n{TAIL}"), "target=/post http=1.1 status=413 "),
        (format!("GET /bad HTTP/1.1\r\n{TAIL}"), "target=/bad http=1.1 status=500 "),
        ("GET /hostless HTTP/1.1\r\n\r\n".to_owned(), "target=/hostless http=1.1 status=400 "),
        (format!("OPTIONS * HTTP/1.1\r\n{TAIL}"), "method=OPTIONS target=* http=1.1 status=204 bytes=0"),
        (
            format!("CONNECT far.example:443 HTTP/1.1\r\n{TAIL}"),
            "target=far.example:443 http=1.1 status=501 ",
        ),
        ("nonsense\r\n\r\n".to_owned(), "client=127.0.0.1 status=400 bytes=0"),
        (format!("GET /{long} HTTP/1.1\r\n{TAIL}"), "client=127.0.0.1 status=431 bytes=0"),
    ];
    for (request, expected) in cases {
        server.exchange(request.as_bytes());
        let line = server.wait_for_log(expected);
        assert!(line.contains("level=info msg=request client=127.0.0.1 "), "{line}");
        let duration = line.rsplit_once(" duration_us=").unwrap().1;
        assert!(duration.parse::<u64>().is_ok(), "{line}");
    }
}

#[test]
fn a_client_cannot_forge_a_line() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&[]);
    for target in ["/\"%0alevel=error", "/a?b=c&status=200", "/\u{e9}\u{85}time=1", "/\\n\u{2028}level=error"]
    {
        server.exchange(format!("GET {target} HTTP/1.1\r\n{TAIL}").as_bytes());
    }
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let requests: Vec<&str> = log.lines().filter(|line| line.contains("msg=request")).collect();
    assert_eq!(requests.len(), 4, "{log}");
    for line in log.lines() {
        assert!(line.starts_with("time="), "{log}");
        assert!(!line.contains("level=error") || line.contains("target=\""), "{line}");
    }
    assert!(log.contains(r#"target="/a?b=c&status=200" http"#), "{log}");
}

#[test]
fn it_can_be_turned_off() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&["--access-log", "off"]);
    assert!(server.exchange(format!("GET /ip HTTP/1.1\r\n{TAIL}").as_bytes()).contains("200 OK"));
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    assert!(!log.contains("msg=request"), "{log}");
}

#[test]
fn lines_of_several_workers_are_whole_and_none_is_lost_at_the_end() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 400;
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&["--threads", "4"]);
    let address = server.address;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            std::thread::spawn(move || {
                let mut requests = Vec::new();
                for request in 1..REQUESTS {
                    write!(requests, "GET /ip?{client}-{request} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                }
                write!(requests, "GET /ip?{client}-0 HTTP/1.1\r\n{TAIL}").unwrap();
                exchange(address, &requests)
            })
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap().matches("HTTP/1.1 200 OK").count(), REQUESTS);
    }
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    for client in 0..CLIENTS {
        for request in 0..REQUESTS {
            assert!(
                log.contains(&format!("target=/ip?{client}-{request} ")),
                "{client}-{request} is missing"
            );
        }
    }
    for line in log.lines() {
        assert_eq!(line.matches("time=").count(), 1, "{line}");
        assert!(!line.contains("msg=request") || line.contains(" duration_us="), "{line}");
    }
}
