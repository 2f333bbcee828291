//! A slot leaves, and nothing that was on its way to it is lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forker::socket::{SocketOptions, Sockets, Strategy};

use super::{address, answer_waiting, ip, is_answered, listener, per_slot, receiver, until};

/// Of a test.
const CLIENTS: usize = 3;

/// Clients that connect all along, one connection after the other.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    asked: AtomicUsize,
    lost: AtomicUsize,
    ended: AtomicUsize,
}

impl Load {
    /// What one of them does until it is over.
    fn ask(&self, to: SocketAddr) {
        while !self.is_over.load(Ordering::Relaxed) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if !TcpStream::connect(to).is_ok_and(|client| is_answered(&client)) {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// All have had their last answer: one that had not seen the end yet asks once more.
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == CLIENTS
    }

    #[track_caller]
    fn assert_none_lost(&self) {
        assert_eq!(self.lost.load(Ordering::Relaxed), 0, "of {}", self.asked());
    }
}

/// They stop when this is gone, also if the test fails: otherwise it would wait for them.
struct End<'a>(&'a Load);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Clients connect all along, while slots come and go: all are answered.
#[test]
fn slots_come_and_go_under_load_and_no_connection_is_lost() {
    let mut sockets = per_slot("127.0.0.1:0", 4);
    let to = ip(&sockets.addresses()[0]);
    let load = Load::default();
    std::thread::scope(|scope| {
        let end = End(&load);
        (0..CLIENTS).for_each(|_| _ = scope.spawn(|| load.ask(to)));
        for _ in 0..8 {
            sockets.steer(&[0, 1]).unwrap();
            for slot in [3, 2] {
                let workers: Vec<_> = (0..=slot).map(|slot| listener(&sockets, slot)).collect();
                until("the slot is drained", || {
                    workers.iter().for_each(|worker| _ = answer_waiting(worker));
                    sockets.is_drained(slot)
                });
                sockets.shrink(slot);
            }
            sockets.grow(4).unwrap();
            sockets.steer(&[]).unwrap();
            let workers: Vec<_> = (0..4).map(|slot| listener(&sockets, slot)).collect();
            let before = load.asked();
            until("some more requests", || {
                workers.iter().for_each(|worker| _ = answer_waiting(worker));
                load.asked() > before + 30
            });
        }
        drop(end);
        let workers: Vec<_> = (0..4).map(|slot| listener(&sockets, slot)).collect();
        until("the last requests", || {
            workers.iter().for_each(|worker| _ = answer_waiting(worker));
            load.has_ended()
        });
    });
    load.assert_none_lost();
}

/// While a socket is closed, the kernel still comes across it: for IPv4 before the others, as it is the newest.
#[test]
fn sockets_that_got_nothing_are_closed_under_load_and_no_connection_is_lost() {
    for text in ["127.0.0.1:0", "[::1]:0"] {
        let mut sockets = per_slot(text, 1);
        let to = ip(&sockets.addresses()[0]);
        let worker = listener(&sockets, 0);
        let load = Load::default();
        std::thread::scope(|scope| {
            let end = End(&load);
            (0..CLIENTS).for_each(|_| _ = scope.spawn(|| load.ask(to)));
            scope.spawn(|| until_over(&load, || _ = answer_waiting(&worker)));
            for _ in 0..20 {
                sockets.grow(17).unwrap();
                let before = load.asked();
                until("some more requests", || load.asked() > before + 30);
                sockets.shrink(1);
            }
            drop(end);
        });
        load.assert_none_lost();
    }
}

/// Again and again, until the clients have ended.
fn until_over(load: &Load, mut work: impl FnMut()) {
    while !load.has_ended() {
        work();
        std::thread::yield_now();
    }
}

#[test]
fn what_waits_keeps_a_slot_from_being_drained() {
    let mut sockets = per_slot("127.0.0.1:0", 2);
    let to = ip(&sockets.addresses()[0]);
    assert!(!sockets.is_drained(1), "it is not on its way out");
    sockets.steer(&[1]).unwrap();
    let client = TcpStream::connect(to).unwrap();
    sockets.steer(&[0]).unwrap();
    until("the connection is there", || sockets.has_waiting(1));
    for _ in 0..100 {
        assert!(!sockets.is_drained(1));
        std::thread::yield_now();
    }
    let leaving = listener(&sockets, 1);
    until("it is accepted", || answer_waiting(&leaving) == 1);
    until("the slot is drained", || sockets.is_drained(1));
    sockets.shrink(1);
    assert!(is_answered(&client));
}

/// `TCP_DEFER_ACCEPT` keeps a handshake open until the client sends, which makes one that lasts.
#[test]
fn a_handshake_under_way_keeps_a_slot_from_being_drained() {
    let options = SocketOptions { defer_accept: Some(Duration::from_secs(30)), ..SocketOptions::default() };
    let open = || Sockets::open(&[address("127.0.0.1:0")], &options, Strategy::ReusePort, 2).unwrap();

    let mut sockets = open();
    sockets.steer(&[1]).unwrap();
    let to = ip(&sockets.addresses()[0]);
    let mut client = TcpStream::connect(to).unwrap();
    sockets.steer(&[0]).unwrap();
    assert!(!sockets.has_waiting(1));
    let mut stays_for = |time: Duration| {
        let end = Instant::now() + time;
        while Instant::now() < end {
            assert!(!sockets.is_drained(1));
            std::thread::yield_now();
        }
    };
    stays_for(Duration::from_millis(200));
    // Handshakes that begin now are others' and do not keep it.
    let _other = TcpStream::connect(to).unwrap();
    stays_for(Duration::from_millis(200));
    client.write_all(b"x").unwrap();
    let leaving = listener(&sockets, 1);
    until("it is accepted", || answer_waiting(&leaving) == 1);
    until("the slot is drained", || sockets.is_drained(1));
    assert!(is_answered(&client));

    // Who does not wait resets it.
    let mut sockets = open();
    sockets.steer(&[1]).unwrap();
    let mut client = TcpStream::connect(ip(&sockets.addresses()[0])).unwrap();
    sockets.shrink(1);
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let lost = client.write_all(b"x").and_then(|()| client.read(&mut [0]));
    assert!(lost.is_err(), "{lost:?}");
}

#[test]
fn datagrams_that_wait_keep_a_slot_from_being_drained() {
    let mut sockets = per_slot("udp://127.0.0.1:0", 2);
    sockets.steer(&[1]).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"x", ip(&sockets.addresses()[0])).unwrap();
    sockets.steer(&[0]).unwrap();
    until("the datagram is there", || sockets.has_waiting(1));
    assert!(!sockets.is_drained(1));
    let leaving = receiver(&sockets, 1);
    until("it is received", || leaving.recv(&mut [0; 8]).is_ok());
    until("the slot is drained", || sockets.is_drained(1));
}

#[test]
fn shared_sockets_need_no_drain() {
    let options = SocketOptions::default();
    let mut sockets = Sockets::open(&[address("127.0.0.1:0")], &options, Strategy::Inherit, 3).unwrap();
    let client = TcpStream::connect(ip(&sockets.addresses()[0])).unwrap();
    sockets.steer(&[0, 1]).unwrap();
    assert!(sockets.is_drained(2));
    sockets.shrink(2);
    let worker = listener(&sockets, 1);
    until("it is accepted", || answer_waiting(&worker) == 1);
    assert!(is_answered(&client));
}
