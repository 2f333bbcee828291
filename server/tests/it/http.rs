//! What clients get.

use std::io::{Read, Write};

use reqwest::Method;
use reqwest::blocking::Client;

use crate::lab::Lab;

#[test]
fn ip_answers_the_callers_address() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&[]);
    let response = reqwest::blocking::get(server.url("/ip")).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().unwrap(), r#"{"ip": "127.0.0.1"}"#);
}

#[test]
fn methods_and_paths_that_nobody_takes_are_refused() {
    let lab =
        Lab::new().ip("ip.so").handler("post.so", &["NAME=\"post\"", "METHOD=\"POST\"", "ROUTE=\"/post\""]);
    let server = lab.serve(&[]);
    let cases = [
        (Method::GET, "/ip", 200, None),
        (Method::HEAD, "/ip", 200, None),
        (Method::POST, "/ip", 405, Some("GET, HEAD")),
        (Method::OPTIONS, "/ip", 405, Some("GET, HEAD")),
        (Method::from_bytes(b"BREW").unwrap(), "/ip", 405, Some("GET, HEAD")),
        (Method::POST, "/post", 200, None),
        (Method::HEAD, "/post", 405, Some("POST")),
        (Method::GET, "/", 404, None),
        (Method::GET, "/ip/", 404, None),
        (Method::GET, "/ip?query=1", 200, None),
        (Method::GET, "/%69p", 404, None),
        (Method::HEAD, "/nothing", 404, None),
    ];
    let client = Client::new();
    for (method, path, status, allow) in cases {
        let response = client.request(method.clone(), server.url(path)).send().unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let found = response.headers().get("allow").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), allow, "{method} {path}");
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&[]);
    let answer = server.exchange(b"HEAD /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 19\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_connection_serves_pipelined_requests_in_order() {
    let lab = Lab::new().ip("ip.so").handler("a.so", &["ROUTE=\"/a\"", "ANSWER=\"from a\""]);
    let server = lab.serve(&["--threads", "1"]);
    let answer = server.exchange(
        b"GET /ip HTTP/1.1\r\nhost: x\r\n\r\nGET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    );
    let places: Vec<_> = ["\"127.0.0.1\"", "from a", "404"].map(|text| answer.find(text).unwrap()).into();
    assert!(places.is_sorted(), "{answer}");
}

#[test]
fn as_many_answers_as_requests_however_many_come_at_once() {
    const REQUESTS: usize = 1_000;
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&["--threads", "1"]);
    let mut requests =
        "GET /ip HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\n\r\n".repeat(REQUESTS / 2);
    requests.push_str("GET /ip HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answer = server.exchange(requests.as_bytes());
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses.len(), REQUESTS + 1);
    assert!(statuses.chunks_exact(2).all(|pair| pair == ["200", "404"]), "{statuses:?}");
}

#[test]
fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&["--read-timeout", "60s"]);
    let mut client = server.connect();
    client.write_all(b"GET /ip HTTP/1.1\r\nhost: x\r\n\r\nGET /ip HT").unwrap();
    client.read_exact(&mut [0; 15]).unwrap();
}

#[test]
fn answers_do_not_wait_for_a_slower_one_behind_them() {
    let lab = Lab::new().ip("ip.so");
    let gate = lab.root().join("gate");
    let waits = format!(
        "WORK=extern int access(const char *, int), usleep(unsigned); while (access(\"{}\", 0)) usleep(1000);",
        gate.display()
    );
    let lab = lab.handler("slow.so", &[&waits]);
    let server = lab.serve(&[&lab.config("threads = 1\n[handlers.handler]\nblocking = true\n")]);
    let mut client = server.connect();
    client
        .write_all(
            b"GET /ip HTTP/1.1\r\nhost: x\r\n\r\nGET /handler HTTP/1.1\r\nhost: x\r\n\r\nGET /no HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    client.read_exact(&mut [0; 15]).unwrap();
    std::fs::write(&gate, "").unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("HTTP/1.1 ").count(), 2, "{rest}");
}

#[test]
fn a_route_with_a_slash_at_its_end_takes_what_lies_below() {
    let echo_path = "WORK=return response->write_body(response->context, dynlab_bytes(request->path.ptr, request->path.len));";
    let lab = Lab::new().handler("files.so", &["ROUTE=\"/files/\"", echo_path]);
    let server = lab.serve(&[]);
    let response = reqwest::blocking::get(server.url("/files/a%20b/c?d")).unwrap();
    assert_eq!(response.text().unwrap(), "/files/a%20b/c");
}

#[test]
fn malformed_requests_are_answered_400() {
    let lab = Lab::new().ip("ip.so");
    let server = lab.serve(&[]);
    for request in ["nonsense\r\n\r\n", "GET /ip HTTP/1.1\r\nbad header\r\n\r\n", "GET /ip HTTP/9.9\r\n\r\n"]
    {
        let answer = server.exchange(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    }
}

#[test]
fn a_range_is_of_get_alone() {
    let lab = Lab::new().our_handler("static-files");
    let www = lab.root().join("www");
    std::fs::create_dir(&www).unwrap();
    std::fs::write(www.join("file"), "0123456789").unwrap();
    let folder = www.display();
    let server = lab
        .serve(&[&lab.config(&format!("[handlers.static-files]\nsettings = {{ folder = \"{folder}\" }}\n"))]);
    let client = reqwest::blocking::Client::new();
    let ask = |method| {
        let request = client.request(method, server.url("/static/file")).header("range", "bytes=0-3");
        let response = request.send().unwrap();
        (response.status().as_u16(), response.headers()["content-length"].to_str().unwrap().to_owned())
    };
    assert_eq!(ask(reqwest::Method::GET), (206, "4".to_owned()));
    assert_eq!(ask(reqwest::Method::HEAD), (200, "10".to_owned()));
}
