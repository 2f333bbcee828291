//! Datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use forker::socket::Address;

use crate::service::Service;
use crate::{reload, start, stop};

/// Each sends one and has it back.
fn echo(senders: &[UdpSocket], to: SocketAddr) {
    for sender in senders {
        let text = sender.local_addr().unwrap().to_string();
        sender.send_to(text.as_bytes(), to).unwrap();
    }
    for sender in senders {
        let mut buffer = [0; 64];
        let (length, from) = sender.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (sender.local_addr().unwrap().to_string().as_bytes(), to));
    }
}

fn accepted(service: &Service) -> Vec<u64> {
    service.status().workers.iter().map(|worker| worker.accepted).collect()
}

#[test]
fn senders_are_spread_over_the_workers_and_answered_after_a_reload() {
    let flags = ["--workers", "2", "--listen", "udp://127.0.0.1:0"];
    let service = start(env!("CARGO_BIN_EXE_udp_echo"), &flags);
    let Ok(Address::Udp(to)) = service.status().addresses[0].parse() else { panic!("no UDP") };
    let sender = |_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    let senders: Vec<_> = (0..40).map(sender).collect();
    for _ in 0..2 {
        echo(&senders, to);
        // What a worker has counted comes with its next heartbeat.
        while accepted(&service).iter().sum::<u64>() < 40 {
            std::thread::yield_now();
        }
        assert!(accepted(&service).iter().all(|&count| count > 0), "{:?}", accepted(&service));
        reload(&service);
    }
    stop(service);
}
