//! Listening sockets, one for each worker, and how many connections they let in together.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use reqwest::blocking::get;
use rustix::process::Signal;

use crate::lab::{Lab, Server, exchange, server};

const CLOSING: &[u8] = b"GET /handler HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[test]
fn each_worker_listens_on_a_socket_of_its_own() {
    let lab = Lab::new();
    let server = lab.serve(&["--threads", "3"]);
    let port = format!(":{:04X}", server.address.port());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    // Columns: number, local address, remote address, state; 0A is LISTEN.
    let listening = sockets.lines().filter(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[1].ends_with(&port) && columns[3] == "0A"
    });
    assert_eq!(listening.count(), 3, "{sockets}");
}

#[test]
fn the_port_of_another_server_is_not_shared() {
    let lab = Lab::new();
    let first = lab.serve(&["--threads", "2"]);
    let address = first.address.to_string();
    let second = server().arg("--plugin-root").arg(lab.root()).args(["--addr", &address]).output().unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}; choose another")), "{stderr}");
}

#[test]
fn connections_on_every_socket_are_answered_before_the_end() {
    let lab = Lab::new().handler("slow.so", &["WORK=extern int usleep(unsigned); usleep(30000);"]);
    let mut server = lab.serve(&["--threads", "2", "--shutdown-deadline", "60s"]);
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(CLOSING).unwrap();
    }
    server.signal(Signal::TERM);
    server.wait_for_log("msg=stopping");
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("1.0.0"), "{answer}");
    }
    let (status, log) = server.wait();
    assert!(status.success() && log.ends_with("msg=stopped"), "{log}");
}

#[test]
fn whoever_waits_at_any_socket_is_let_in_when_others_leave() {
    let lab = Lab::new().handler("a.so", &[]);
    let server = lab.serve(&["--threads", "4", "--max-connections", "1"]);
    let mut kept = server.connect();
    kept.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 15]).unwrap();

    let address = server.address;
    let waiting: Vec<_> = (0..12).map(|_| std::thread::spawn(move || exchange(address, CLOSING))).collect();
    // Nobody else is served as long as the one connection is open; this one is.
    kept.write_all(CLOSING).unwrap();
    let mut rest = String::new();
    kept.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("1.0.0"), "{rest}");
    for client in waiting {
        assert!(client.join().unwrap().ends_with("1.0.0"));
    }
}

#[test]
fn no_more_connections_are_served_at_once_than_allowed() {
    let lab = Lab::new().handler("a.so", &[]);
    let server = lab.serve(&["--threads", "4", "--max-connections", "3", "--idle-timeout", "60s"]);
    let mut clients: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    let mut answered = 0;
    // Those who are served keep their connections: with each that leaves, one more is served.
    while !clients.is_empty() {
        let ready: Vec<usize> = (0..clients.len()).filter(|at| has_answer(&clients[*at])).collect();
        assert!(ready.len() <= 3, "{} at once", ready.len());
        if let Some(at) = ready.first() {
            clients.remove(*at);
            answered += 1;
        }
        std::thread::yield_now();
    }
    assert_eq!(answered, 12);
}

fn has_answer(client: &std::net::TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    let has = client.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
    client.set_nonblocking(false).unwrap();
    has
}

/// A server that starts with these limits of open files.
fn with_open_files(lab: &Lab, limits: &str) -> Server {
    let program = server().get_program().to_owned();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")])
        .arg(program)
        .arg("--plugin-root")
        .arg(lab.root())
        .args(["--port", "0", "--max-connections", "300"]);
    Server::start(&mut command)
}

#[test]
fn the_soft_limit_of_open_files_is_no_limit() {
    let lab = Lab::new().handler("a.so", &[]);
    let mut server = with_open_files(&lab, "ulimit -Sn 40");
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET /handler HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    for client in &mut clients {
        client.read_exact(&mut [0; 15]).unwrap();
    }
    assert!(!server.has_logged("limit of open files"));
}

#[test]
fn a_hard_limit_that_is_too_low_is_warned_about() {
    let lab = Lab::new().handler("a.so", &[]);
    let mut server = with_open_files(&lab, "ulimit -n 100");
    let line = server.wait_for_log("the limit of open files is too low for --max-connections");
    assert!(line.contains("level=warn") && line.contains(" limit=100 "), "{line}");
    assert_eq!(get(server.url("/handler")).unwrap().status(), 200);
}
