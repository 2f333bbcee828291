//! How it is stopped, and how it stops by itself.

use std::io::Write;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::image::{PATIENCE, Running, exchange, read_answer};
use crate::upstream::Upstream;

const ENTRY: &str = "/usr/bin/ngx-backend";

#[test]
fn what_is_under_way_is_finished_before_the_end() {
    for signal in [Signal::TERM, Signal::QUIT] {
        let mut running = match Running::start(&[("SHUTDOWN_DEADLINE", "60")]) {
            Ok(running) => running,
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        };
        let upstream = Upstream::listen(&running.path("run/up.sock"));
        assert_eq!(running.enter("www.example.test", "unix:/run/up.sock").status, 201);
        running.get_once(200, "www.example.test", "/");
        let socket = running.path("run/http.sock");
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"GET /held HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n")
            .unwrap();
        let go_on = upstream.held.recv_timeout(PATIENCE).expect("the request arrives");
        running.signal(ENTRY, signal);
        test_services::wait_for("no new connections", PATIENCE, || {
            let asked = exchange(&socket, b"GET / HTTP/1.0\r\n\r\n");
            asked.is_none().then_some(())
        });
        go_on.send(()).unwrap();
        let answer = read_answer(&mut stream).expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, "get /held http/1.1"));
        let status = running.ended();
        assert_eq!(status.code(), Some(0), "{}", running.log());
        let log = running.log();
        assert!(log.contains("GET /held HTTP/1.1\" 200"), "the access log of nginx: {log}");
        assert!(log.contains("msg=stopped"), "the daemon's log: {log}");
    }
}

#[test]
fn a_drain_that_takes_too_long_is_cut_off() {
    let mut running = match Running::start(&[("SHUTDOWN_DEADLINE", "1")]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let upstream = Upstream::listen(&running.path("run/up.sock"));
    assert_eq!(running.enter("www.example.test", "unix:/run/up.sock").status, 201);
    running.get_once(200, "www.example.test", "/");
    let mut stream = UnixStream::connect(running.path("run/http.sock")).unwrap();
    stream.write_all(b"GET /held HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n").unwrap();
    let _never = upstream.held.recv_timeout(PATIENCE).expect("the request arrives");
    running.signal(ENTRY, Signal::TERM);
    assert_eq!(running.ended().code(), Some(0), "{}", running.log());
}

#[test]
fn it_ends_as_nginx_ends() {
    let mut running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    running.signal("nginx: master process", Signal::KILL);
    assert_eq!(running.ended().code(), Some(128 + 9), "{}", running.log());
    assert!(running.log().contains("msg=stopped"), "the daemon ended in order: {}", running.log());
}
