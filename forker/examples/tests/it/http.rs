//! The three that speak HTTP without TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;

use crate::service::Service;
use crate::{reload, start, stop};

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.tcp()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(mut stream: TcpStream, path: &str) -> String {
    // In one piece, where `write!` makes three.
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn check(program: &str, name: &str) {
    let service = start(program, &["--workers", "2"]);
    let processes = |service: &Service| -> Vec<String> {
        service.status().workers.iter().map(|worker| format!("{name} {}\n", worker.pid)).collect()
    };
    let former = processes(&service);
    assert!(former.contains(&ask(connect(&service), "/")));
    // Accepted by a worker that is then to stop, and asked only afterwards.
    let waiting = connect(&service);
    let accepted = |service: &Service| service.status().workers.iter().map(|one| one.accepted).sum::<u64>();
    while accepted(&service) < 2 {
        std::thread::yield_now();
    }
    service.signal(Signal::HUP);
    while service.status().generation == 1 {
        std::thread::yield_now();
    }
    assert!(former.contains(&ask(waiting, "/")));
    reload(&service);
    let later = ask(connect(&service), "/");
    assert!(processes(&service).contains(&later) && !former.contains(&later), "{later}");
    stop(service);
}

#[test]
fn std_net() {
    check(env!("CARGO_BIN_EXE_std_net"), "std_net");
}

#[test]
fn hyper_http() {
    check(env!("CARGO_BIN_EXE_hyper_http"), "hyper_http");
}

#[test]
fn axum_http() {
    check(env!("CARGO_BIN_EXE_axum_http"), "axum_http");
}

#[test]
fn axum_routes() {
    let service = start(env!("CARGO_BIN_EXE_axum_http"), &["--workers", "2"]);
    assert_eq!(ask(connect(&service), "/greet/world"), "hello world\n");
    stop(service);
}
