//! Each kind of socket, and what cannot be opened.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use forker::socket::{Kind, Socket, SocketError, SocketOptions, Sockets, Strategy};

use super::{address, answer_waiting, ip, is_answered, listener, open, until};
use crate::again;

#[test]
fn tcp_of_either_ip_is_reached_at_its_real_address() {
    for text in ["127.0.0.1:0", "[::1]:0"] {
        let socket = open(text);
        assert_eq!(socket.kind(), Kind::Tcp);
        let ip = ip(socket.address());
        assert_ne!(ip.port(), 0);
        let listener = socket.into_tcp_listener().unwrap();
        assert_eq!(listener.local_addr().unwrap(), ip);
        let client = TcpStream::connect(ip).unwrap();
        until("a connection", || answer_waiting(&listener) == 1);
        assert!(is_answered(&client));
    }
}

#[test]
fn the_address_of_all_is_that_of_both_families_unless_told_otherwise() {
    for v6_only in [false, true] {
        let options = SocketOptions { v6_only, ..SocketOptions::default() };
        for scheme in ["tcp", "udp"] {
            let socket = Socket::open(&address(&format!("{scheme}://[::]:0")), &options, false).unwrap();
            let port = ip(socket.address()).port();
            let v4 = format!("{scheme}://0.0.0.0:{port}");
            let beside = Socket::open(&address(&v4), &SocketOptions::default(), false);
            assert_eq!(beside.is_ok(), v6_only, "{v4}: {beside:?}");
            if scheme == "tcp" && !v6_only {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
            }
        }
    }
}

#[test]
fn udp_receives() {
    let socket = open("udp://127.0.0.1:0");
    assert_eq!(socket.kind(), Kind::Udp);
    let to = ip(socket.address());
    let socket = socket.into_udp_socket().unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", to).unwrap();
    until("a datagram", || socket.recv(&mut [0; 8]).is_ok_and(|length| length == 1));
}

#[test]
fn a_socket_of_another_kind_is_not_handed_out() {
    let is_wrong = |error| matches!(error, SocketError::WrongKind { .. });
    assert!(is_wrong(open("127.0.0.1:0").into_udp_socket().unwrap_err()));
    assert!(is_wrong(open("udp://127.0.0.1:0").into_unix_listener().unwrap_err()));
    assert!(is_wrong(open("unix:@forker-kind").into_tcp_listener().unwrap_err()));
    assert!(is_wrong(open("unix:@forker-kinds").open_beside(&SocketOptions::default()).unwrap_err()));
}

#[test]
fn abstract_unix_sockets_are_reached_and_need_no_file() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("forker-{}", std::process::id());
    let socket = open(&format!("unix:@{name}"));
    let again = Socket::from_fd(socket.try_clone().unwrap().into()).unwrap();
    assert_eq!(again.address(), socket.address());
    let name = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    UnixStream::connect_addr(&name).unwrap();
}

#[test]
fn a_deferred_connection_is_seen_when_its_data_is_there() {
    let options = SocketOptions {
        defer_accept: Some(Duration::from_secs(30)),
        fast_open: Some(16),
        ..SocketOptions::default()
    };
    let addresses = [address("127.0.0.1:0"), address("udp://127.0.0.1:0")];
    let sockets = Sockets::open(&addresses, &options, Strategy::ReusePort, 1).unwrap();
    let listener = listener(&sockets, 0);
    let silent = TcpStream::connect(ip(&sockets.addresses()[0])).unwrap();
    let mut talking = TcpStream::connect(ip(&sockets.addresses()[0])).unwrap();
    std::io::Write::write_all(&mut talking, b"x").unwrap();
    until("the one that sent", || answer_waiting(&listener) == 1);
    assert!(is_answered(&talking));
    silent.set_nonblocking(true).unwrap();
    let nothing = std::io::Read::read(&mut &silent, &mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "the silent one was accepted");
}

#[test]
fn an_option_for_none_of_the_addresses_is_refused() {
    let options = SocketOptions { defer_accept: Some(Duration::from_secs(1)), ..SocketOptions::default() };
    let udp = [address("udp://127.0.0.1:0")];
    let error = Sockets::open(&udp, &options, Strategy::ReusePort, 1).unwrap_err().to_string();
    assert!(error.contains("defer_accept") && error.contains("udp://"), "{error}");
    let error = Socket::open(&udp[0], &options, false).unwrap_err();
    assert!(matches!(error, SocketError::Option { option: "defer_accept", .. }), "{error}");
}

#[test]
fn what_cannot_be_had_is_said_with_its_cure() {
    let refused =
        |text| Socket::open(&address(text), &SocketOptions::default(), false).unwrap_err().to_string();
    let error = refused("192.0.2.1:80");
    assert!(error.contains("192.0.2.1:80") && error.contains("0.0.0.0"), "{error}");
    let error = refused("unix:/nonexistent/x.sock");
    assert!(error.contains("/nonexistent/x.sock") && error.contains("No such file"), "{error}");
}

#[test]
fn too_many_sockets_are_an_error_that_names_the_limit_and_leave_none_behind() {
    if !again::is_inner() {
        let name = "sockets::open::too_many_sockets_are_an_error_that_names_the_limit_and_leave_none_behind";
        return again::succeed(name, "ulimit -n 40 && exec \"$@\"", Stdio::null());
    }
    let addresses = [address("127.0.0.1:0"), address("127.0.0.1:0")];
    let open = |slots| Sockets::open(&addresses, &SocketOptions::default(), Strategy::ReusePort, slots);
    let error = open(64).unwrap_err();
    assert!(matches!(error, SocketError::TooManyFiles { limit: 40, .. }), "{error}");
    assert!(error.to_string().contains("LimitNOFILE"), "{error}");
    // What failed has closed its sockets, and growing too far leaves what was.
    let mut sockets = open(4).unwrap();
    assert!(sockets.grow(64).is_err());
    assert_eq!((sockets.slots(), sockets.rows().len()), (4, 4));
    sockets.grow(8).unwrap();
    assert_eq!(sockets.for_slot(7).len(), 2);
}
