//! Which slots get what is new.

use std::collections::HashSet;
use std::net::{TcpStream, UdpSocket};

use forker::socket::Sockets;

use super::{answer_waiting, ip, is_answered, listener, per_slot, receiver, until};

/// Connects so often, has everything answered, and says how many each slot got.
fn connections(sockets: &Sockets, count: usize) -> Vec<usize> {
    let to = ip(&sockets.addresses()[0]);
    let listeners: Vec<_> = (0..sockets.slots()).map(|slot| listener(sockets, slot)).collect();
    let clients: Vec<_> = (0..count).map(|_| TcpStream::connect(to).unwrap()).collect();
    let mut got = vec![0; listeners.len()];
    until("all connections", || {
        got.iter_mut().zip(&listeners).for_each(|(got, listener)| *got += answer_waiting(listener));
        got.iter().sum::<usize>() == count
    });
    assert!(clients.iter().all(is_answered));
    got
}

/// With 50 connections and three slots, one of them gets none in one run of 200 million.
#[test]
fn connections_go_to_the_slots_that_are_named() {
    let mut sockets = per_slot("[::]:0", 3);
    assert!(connections(&sockets, 50).iter().all(|&got| got > 0));
    for slots in [&[0usize, 2][..], &[1], &[0], &[2, 1]] {
        sockets.steer(slots).unwrap();
        for (slot, got) in connections(&sockets, 50).into_iter().enumerate() {
            assert_eq!(got > 0, slots.contains(&slot), "{got} to slot {slot} of {slots:?}");
        }
    }
    sockets.steer(&[]).unwrap();
    assert!(connections(&sockets, 50).iter().all(|&got| got > 0));
}

#[test]
fn a_new_slot_gets_nothing_until_its_worker_is_ready_and_the_last_one_goes_first() {
    let mut sockets = per_slot("127.0.0.1:0", 2);
    sockets.grow(4).unwrap();
    assert_eq!(connections(&sockets, 40)[2..], [0, 0]);
    sockets.steer(&[0, 1, 2, 3]).unwrap();
    assert!(connections(&sockets, 80).iter().all(|&got| got > 0));
    sockets.shrink(3);
    assert!(connections(&sockets, 60).iter().all(|&got| got > 0));
    sockets.shrink(0);
    assert_eq!(connections(&sockets, 10), [10], "one stays");
}

#[test]
fn datagrams_of_one_sender_go_to_one_of_the_named_slots() {
    for text in ["udp://127.0.0.1:0", "udp://[::1]:0", "udp://[::]:0"] {
        let mut sockets = per_slot(text, 3);
        let mut to = ip(&sockets.addresses()[0]);
        if text.contains("[::]") {
            to.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let from = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let receivers: Vec<_> = (0..3).map(|slot| receiver(&sockets, slot)).collect();
        for slots in [&[0usize, 1, 2][..], &[0, 2], &[1]] {
            sockets.steer(slots).unwrap();
            let senders: Vec<_> = (0..60).map(|_| UdpSocket::bind(from).unwrap()).collect();
            for sender in senders.iter().chain(&senders) {
                sender.send_to(b"x", to).unwrap();
            }
            let mut seen = vec![HashSet::new(); 3];
            let mut count = 0;
            until("all datagrams", || {
                for (receiver, seen) in receivers.iter().zip(&mut seen) {
                    while let Ok((_, sender)) = receiver.recv_from(&mut [0; 8]) {
                        seen.insert(sender.port());
                        count += 1;
                    }
                }
                count == 120
            });
            assert_eq!(seen.iter().map(HashSet::len).sum::<usize>(), 60, "both of a sender go to the same");
            for (slot, seen) in seen.iter().enumerate() {
                assert_eq!(!seen.is_empty(), slots.contains(&slot), "{text}: slot {slot} of {slots:?}");
            }
        }
    }
}
