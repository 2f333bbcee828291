//! The admin side of a program that has nothing to do with plugins.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use http_front::admin::{self, AdminAddress, Operated, Refusal, allow, json, respond};
use http_front::{Response, ServerState, metrics};
use hyper::StatusCode;
use hyper::http::request::Parts;

/// Has nothing to tell but what every program has.
struct Program;

impl Operated for Program {
    async fn answer(&self, head: &Parts) -> Result<Response, Refusal> {
        let path = head.uri.path();
        match path {
            "/healthz" => {
                allow(&head.method, path, "GET, HEAD")?;
                Ok(json(StatusCode::OK, &serde_json::json!({ "healthy": true })))
            }
            "/metrics" => {
                let mut families = metrics::of_server(&ServerState::default(), "1.2.3", 0.5);
                families.push(metrics::counter("program_hits_total", "Hits.", [(vec![], 7)]));
                families.push(metrics::counter("program_nothing_total", "Nothing.", []));
                let text = metrics::write(families)
                    .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
                Ok(respond(StatusCode::OK, metrics::CONTENT_TYPE, text))
            }
            _ => Err(Refusal::nothing_at(path)),
        }
    }
}

fn ask(path: &Path, method: &str, target: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_program_has_an_admin_side_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let admin = admin::start(Some(&AdminAddress::Unix(path.clone())), "program", 0, Program).unwrap();
    assert!(ask(&path, "GET", "/healthz").contains(r#""healthy": true"#));
    let refused = ask(&path, "POST", "/healthz");
    assert!(refused.contains("405 Method Not Allowed") && refused.contains("allow: GET, HEAD"), "{refused}");
    assert!(ask(&path, "GET", "/").contains("nothing is served at /"));
    let metrics = ask(&path, "GET", "/metrics");
    for expected in [
        "content-type: text/plain; version=0.0.4",
        "\nprogram_hits_total 7\n",
        "dynlab_http_connections_open 0\n",
        "dynlab_build_info{version=\"1.2.3\"} 1\n",
    ] {
        assert!(metrics.contains(expected), "no {expected:?} in:\n{metrics}");
    }
    assert!(!metrics.contains("program_nothing_total"), "{metrics}");
    drop(admin);
    assert!(!path.exists());
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = admin::start(Some(&AdminAddress::Tcp(address)), "program", 0, Program).unwrap_err();
    let expected = format!("the admin side cannot listen on {address}; choose another with --admin");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn pages_are_kept_out_before_the_program_is_asked() {
    let any = AdminAddress::Tcp("127.0.0.1:0".parse().unwrap());
    let admin = admin::start(Some(&any), "program", 0, Program).unwrap().unwrap();
    let AdminAddress::Tcp(address) = *admin.address() else { panic!("{admin:?}") };
    for (head, status) in [
        (format!("host: {address}"), "200 OK"),
        ("host: rebound.example".to_owned(), "403 Forbidden"),
        (format!("host: {address}\r\norigin: http://page.example"), "403 Forbidden"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}
