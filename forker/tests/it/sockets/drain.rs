//! A slot leaves, and nothing that was on its way to it is lost.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forker::socket::{SocketOptions, Sockets, Strategy};

use super::{address, answer_waiting, ip, is_answered, listener, per_slot, receiver, until};

/// Clients stop when this is gone, also if the test fails: otherwise it would wait for them.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Of a test.
const CLIENTS: usize = 3;
/// Of thousands.
const MOST_LOST: usize = 1;

/// Clients connect all along, while slots come and go: they are answered.
#[test]
fn slots_come_and_go_under_load_and_connections_are_answered() {
    let mut sockets = per_slot("127.0.0.1:0", 4);
    let to = ip(&sockets.addresses()[0]);
    let stop = AtomicBool::new(false);
    let (asked, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let end = End(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !TcpStream::connect(to).is_ok_and(|client| is_answered(&client)) {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
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
            let before = asked.load(Ordering::Relaxed);
            until("some more requests", || {
                workers.iter().for_each(|worker| _ = answer_waiting(worker));
                asked.load(Ordering::Relaxed) > before + 30
            });
        }
        drop(end);
        let workers: Vec<_> = (0..4).map(|slot| listener(&sockets, slot)).collect();
        // One that had not seen the end yet asks once more.
        until("the last requests", || {
            workers.iter().for_each(|worker| _ = answer_waiting(worker));
            ended.load(Ordering::Relaxed) == CLIENTS
        });
    });
    // About one client in a hundred thousand is reset in its handshake here; the cause is not known.
    let lost = lost.load(Ordering::Relaxed);
    assert!(lost <= MOST_LOST, "{lost} of {}", asked.load(Ordering::Relaxed));
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
