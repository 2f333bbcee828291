//! How it ends, and how it does not start.

use super::{Daemon, Stores, on_both_stores, published, until};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

on_both_stores! {
    sigterm_and_sigint_end_it_with_status_0_and_nothing_left_behind,
    an_open_request_is_answered_before_the_end,
    entries_survive_an_ordinary_restart_and_a_stale_socket_is_replaced,
}

fn sigterm_and_sigint_end_it_with_status_0_and_nothing_left_behind(stores: &Stores) {
    for signal in ["-TERM", "-INT"] {
        let mut daemon = stores.daemon();
        assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
        let reader = daemon.reader();
        daemon.signal(signal);
        assert_eq!(daemon.wait().code(), Some(0), "{signal}");
        assert_eq!(
            published(&reader, "a").as_deref(),
            Some("192.0.2.1:80"),
            "what was acknowledged is published"
        );
        assert!(!daemon.path("api.sock").exists() && !daemon.path("resolver.sock").exists());
        until("the log", || daemon.line("msg=stopped").is_some());
    }
}

fn an_open_request_is_answered_before_the_end(stores: &Stores) {
    let mut daemon = stores.daemon();
    let mut stream = UnixStream::connect(daemon.path("api.sock")).unwrap();
    let body = r#"{"host": "a", "backend": "192.0.2.1:80"}"#;
    let (front, back) = body.split_at(5);
    write!(stream, "POST /entries.json HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{front}", body.len())
        .unwrap();
    // The answer of a later connection shows that the first one was accepted.
    assert_eq!(daemon.get("/healthz").status, 200);
    daemon.signal("-TERM");
    until("the end", || !daemon.path("api.sock").exists());
    stream.write_all(back.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(daemon.wait().code(), Some(0));
}

fn entries_survive_an_ordinary_restart_and_a_stale_socket_is_replaced(stores: &Stores) {
    let daemon = stores.daemon();
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    let daemon = daemon.restart("-TERM");
    assert_eq!(daemon.get("/entries/a.json").status, 200);
    let daemon = daemon.restart("-KILL");
    assert_eq!(daemon.get("/entries/a.json").status, 200);
}

#[test]
fn a_start_that_cannot_succeed_says_why() {
    let daemon = Daemon::start();
    let start = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backend"));
        let path = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
        command.env_clear().env("BACKEND_STORE", path("other.redb")).env("BACKEND_PUBLISH", path("other"));
        command.env("BACKEND_SOCKET", path("other.sock")).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let path = |name: &str| daemon.path(name).to_str().unwrap().to_owned();
    for (arguments, part) in [
        (vec!["--store".to_owned(), path("map.redb")], "cannot open the store"),
        (vec!["--publish".to_owned(), path("map")], "another daemon publishes to"),
        (vec!["--socket".to_owned(), path("api.sock")], "somebody listens there already"),
        (vec!["--listen".to_owned(), "0.0.0.0:80".to_owned()], "can be reached from outside"),
        (vec!["--token".to_owned(), "short".to_owned()], "the token needs at least 16"),
        (
            vec!["--user".to_owned(), "nobody-of-that-name".to_owned()],
            "there is no user `nobody-of-that-name`",
        ),
        (vec!["--token-file".to_owned(), path("missing")], "cannot read the token file"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = start(&arguments);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}
