//! Ports that others have.

use std::net::{TcpListener, TcpStream, UdpSocket};

use forker::socket::{Socket, SocketError, SocketOptions, Sockets, Strategy};

use super::{address, answer_waiting, ip, listener, per_slot, until};

/// The kernel would let two servers of one user share a port if both say SO_REUSEPORT, and each would get half of the connections.
#[test]
fn a_port_is_never_shared_with_a_stranger_that_would_allow_it() {
    for scheme in ["tcp", "udp"] {
        let stranger = per_slot(&format!("{scheme}://127.0.0.1:0"), 2);
        let taken = stranger.addresses()[0].clone();
        for strategy in [Strategy::ReusePort, Strategy::Inherit] {
            let error = Sockets::open(std::slice::from_ref(&taken), &SocketOptions::default(), strategy, 2);
            let error = error.unwrap_err();
            assert!(matches!(error, SocketError::InUse { .. }), "{scheme}: {error}");
            assert!(error.to_string().contains(&taken.to_string()), "{error}");
        }
        drop(stranger);
        Socket::open(&taken, &SocketOptions::default(), true).unwrap();
    }
}

#[test]
fn a_port_in_use_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp, udp) = (listener.local_addr().unwrap(), receiver.local_addr().unwrap());
    let texts = [format!("{tcp}"), format!("tcp://0.0.0.0:{}", tcp.port()), format!("udp://{udp}")];
    for (text, reuse_port) in texts.iter().flat_map(|text| [(text, false), (text, true)]) {
        let opened = Socket::open(&address(text), &SocketOptions::default(), reuse_port);
        assert!(matches!(opened, Err(SocketError::InUse { .. })), "{text}: {opened:?}");
    }
}

#[test]
fn connections_of_a_former_server_do_not_keep_the_port() {
    let former = per_slot("127.0.0.1:0", 2);
    let address = former.addresses()[0].clone();
    let listeners = [listener(&former, 0), listener(&former, 1)];
    let client = TcpStream::connect(ip(&address)).unwrap();
    // The server closes first, which leaves its side of the connection in TIME_WAIT.
    until("the connection", || listeners.iter().map(answer_waiting).sum::<usize>() == 1);
    drop((former, listeners, client));
    Sockets::open(&[address], &SocketOptions::default(), Strategy::ReusePort, 2).unwrap();
}
