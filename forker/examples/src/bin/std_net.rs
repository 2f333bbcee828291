//! HTTP with nothing but `std::net`: a thread for each connection, one request on each.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use clap::Parser;
use forker::{Error, Worker, wait_for};
use forker_examples::{Flags, Served};

fn main() -> Result<(), Error> {
    forker::run(Flags::parse().master("std_net"), (), serve)
}

fn serve(mut worker: Worker) -> Served {
    let listener = worker.take_sockets().remove(0).into_tcp_listener()?;
    let (stopping, pulse) = (worker.stopping(), worker.pulse());
    // No beats: the loop below only waits for the kernel, and that the process lives is shown by a thread of forker's.
    worker.ready();
    // The scope ends when all answers are written.
    thread::scope(|answering| {
        while wait_for(&listener, &stopping)? {
            match listener.accept() {
                Ok((stream, _)) => {
                    pulse.accepted(1);
                    // Whoever goes away has no answer.
                    answering.spawn(move || answer(&stream));
                }
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
}

fn answer(stream: &TcpStream) -> std::io::Result<()> {
    // Sockets that were accepted do not inherit it on Linux, but elsewhere they do.
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    let body = format!("std_net {}\n", std::process::id());
    let length = body.len();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}
