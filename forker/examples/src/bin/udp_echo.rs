//! Datagrams, sent back. Each worker has a socket of its own, and the kernel sends all datagrams of one sender to the same worker.

use std::io::ErrorKind;

use clap::Parser;
use forker::{Error, Worker, wait_for};
use forker_examples::{Flags, Served};

fn main() -> Result<(), Error> {
    forker::run(Flags::parse().master("udp_echo"), (), serve)
}

fn serve(mut worker: Worker) -> Served {
    let socket = worker.take_sockets().remove(0).into_udp_socket()?;
    let (stopping, pulse) = (worker.stopping(), worker.pulse());
    let mut datagram = vec![0; 65_535];
    worker.ready();
    // When the worker is to stop, what has come is still answered.
    while wait_for(&socket, &stopping)? {
        match socket.recv_from(&mut datagram) {
            Ok((length, sender)) => {
                pulse.accepted(1);
                // A sender that cannot be reached, or whose queue is full, has to ask again, as with any datagram that is lost.
                let _ = socket.send_to(&datagram[..length], sender);
            }
            // The worker that this one replaces was faster.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Some sender before is gone (ICMP).
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
