//! What others are measured against answers as they do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::http::ask;

struct Bare(Child);

impl Bare {
    /// Starts it, and says where it listens.
    fn start(program: &str, listen: &str) -> (Self, String) {
        let mut child =
            Command::new(program).args(["--listen", listen]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().to_owned())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_processes_share_a_port_and_answer() {
    for program in [env!("CARGO_BIN_EXE_bare_loop"), env!("CARGO_BIN_EXE_bare_hyper")] {
        let (_first, address) = Bare::start(program, "127.0.0.1:0");
        let (_second, same) = Bare::start(program, &address);
        assert_eq!(address, same);
        for _ in 0..20 {
            assert_eq!(ask(std::net::TcpStream::connect(&address).unwrap(), "/"), "greeting!!!");
        }
    }
}
