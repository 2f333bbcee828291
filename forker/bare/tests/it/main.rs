//! What others are measured against answers as they do.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

struct Bare(Child);

impl Bare {
    /// Starts it with two processes, and says where it listens.
    fn start(program: &str) -> (Self, String) {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--processes", "2"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().to_owned())
    }

    /// Processes that it has started.
    fn children(&self) -> BTreeSet<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.0.id());
        let text = std::fs::read_to_string(path).unwrap();
        text.split_whitespace().map(|id| id.parse().unwrap()).collect()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what} does not come");
        std::thread::yield_now();
    }
}

#[test]
fn two_processes_share_a_port_and_answer_and_end_together() {
    for program in [env!("CARGO_BIN_EXE_bare_loop"), env!("CARGO_BIN_EXE_bare_hyper")] {
        let (bare, address) = Bare::start(program);
        let listeners = || {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
            let local = format!("0100007F:{port:04X} 00000000:0000 0A");
            table.lines().filter(|line| line.contains(&local)).count()
        };
        until("a second listener", || listeners() == 2);
        let children = bare.children();
        assert_eq!(children.len(), 1);
        for _ in 0..20 {
            assert_eq!(ask(&address), "greeting!!!");
        }
        drop(bare);
        until("an end of both", || listeners() == 0);
    }
}
