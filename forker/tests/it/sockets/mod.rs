//! Sockets, without a master.

mod drain;
mod foreign;
mod inherited;
mod migrate;
mod open;
mod steer;
mod unix;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use forker::socket::{Address, Socket, SocketOptions, Sockets, Strategy};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn open(text: &str) -> Socket {
    Socket::open(&address(text), &SocketOptions::default(), false).unwrap()
}

fn per_slot(text: &str, slots: usize) -> Sockets {
    Sockets::open(&[address(text)], &SocketOptions::default(), Strategy::ReusePort, slots).unwrap()
}

/// Where it listens.
fn ip(address: &Address) -> SocketAddr {
    match address {
        Address::Tcp(ip) | Address::Udp(ip) => *ip,
        other => panic!("{other}"),
    }
}

/// What the worker of a slot would have: it gives `WouldBlock` where nobody waits.
fn listener(sockets: &Sockets, slot: usize) -> TcpListener {
    let fd = sockets.for_slot(slot)[0].try_clone_to_owned().unwrap();
    Socket::from_fd(fd).unwrap().into_tcp_listener().unwrap()
}

fn receiver(sockets: &Sockets, slot: usize) -> UdpSocket {
    let fd = sockets.for_slot(slot)[0].try_clone_to_owned().unwrap();
    Socket::from_fd(fd).unwrap().into_udp_socket().unwrap()
}

/// Answers whatever waits, and says how many there were.
fn answer_waiting(listener: &TcpListener) -> usize {
    let mut answered = 0;
    while let Ok((mut connection, _)) = listener.accept() {
        connection.set_nonblocking(false).unwrap();
        connection.write_all(b"!").unwrap();
        answered += 1;
    }
    answered
}

/// The client got its answer.
fn is_answered(mut client: &TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut byte = [0];
    matches!(client.read(&mut byte), Ok(1)) && byte == *b"!"
}

/// Waits for a condition.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within 20 seconds");
        std::thread::yield_now();
    }
}
