//! What a front answers by itself, and its end.

use std::io::Write;

use http_front::Settings;

use crate::lab::{Front, get, rest};

fn quiet() -> Settings {
    Settings { access_log: false, ..Settings::default() }
}

#[test]
fn refusals_are_the_applications() {
    let front = Front::start(Settings { body_limit: 3, ..quiet() });
    let cases: [(&[u8], &str); 3] = [
        (b"GET /now HTTP/1.1\r\n\r\n", "refused 400"),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "refused 501"),
        (b"POST /now HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody", "refused 413"),
    ];
    for (request, expected) in cases {
        let mut client = front.client();
        client.write_all(request).unwrap();
        let answer = rest(&mut client);
        assert!(answer.contains("connection: close\r\n") && answer.ends_with(expected), "{answer}");
    }
    assert_eq!(front.stats.state().responses, [0, 0, 0, 2, 1]);
}

#[test]
fn a_head_gets_the_length_and_not_the_body() {
    let front = Front::start(quiet());
    front.release();
    let mut client = front.client();
    client.write_all(b"HEAD /abc HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let answer = rest(&mut client);
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn answers_that_are_waited_for_are_given_before_the_end() {
    let front = Front::start(quiet());
    let mut client = front.client_that_waits(&get("/a", false), 1);
    let stopping = std::thread::spawn({
        let mut client = client.try_clone().unwrap();
        move || rest(&mut client)
    });
    front.release();
    front.stop();
    let answer = stopping.join().unwrap();
    assert!(answer.ends_with("</a>"), "{answer}");
    assert!(rest(&mut client).is_empty());
}

#[test]
fn answers_that_do_not_come_are_cut_off_at_the_deadline() {
    let front =
        Front::start(Settings { shutdown_deadline: std::time::Duration::from_millis(100), ..quiet() });
    let mut client = front.client_that_waits(&get("/a", false), 1);
    let stats = front.stats.clone();
    front.stop();
    assert_eq!(rest(&mut client), "");
    assert_eq!(stats.state().abandoned, 1);
}
