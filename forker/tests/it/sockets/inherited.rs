//! Sockets that came from elsewhere.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use forker::socket::{Socket, SocketOptions, Sockets, Strategy, systemd};

use super::{address, answer_waiting, ip, is_answered, listener, per_slot, until};
use crate::again;

/// What a new master makes of what it gets.
pub(super) fn handed_over(former: &Sockets) -> Sockets {
    let own = |fd: std::os::fd::BorrowedFd<'_>| Socket::from_fd(fd.try_clone_to_owned().unwrap()).unwrap();
    let rows = former.rows();
    let rows = rows.into_iter().map(|row| row.into_iter().map(own).collect()).collect();
    Sockets::adopt(rows, &SocketOptions::default(), former.strategy(), former.slots()).unwrap()
}

#[test]
fn a_new_master_has_the_same_sockets_in_the_same_order() {
    let addresses = ["127.0.0.1:0", "udp://127.0.0.1:0", "unix:@forker-adopted"].map(address);
    for strategy in [Strategy::ReusePort, Strategy::Inherit] {
        let mut former = Sockets::open(&addresses, &SocketOptions::default(), strategy, 3).unwrap();
        // The former master was about to have one less: the new one starts with all.
        former.steer(&[0, 1]).unwrap();
        let mut new = handed_over(&former);
        assert_eq!((new.slots(), new.addresses()), (3, former.addresses()));
        let waiting = TcpStream::connect(ip(&former.addresses()[0])).unwrap();
        drop(former);
        new.grow(4).unwrap();
        new.steer(&[3]).unwrap();
        let late = TcpStream::connect(ip(&new.addresses()[0])).unwrap();
        let workers: Vec<_> = (0..4).map(|slot| listener(&new, slot)).collect();
        let mut answered = 0;
        until("both connections", || {
            answered += workers.iter().map(answer_waiting).sum::<usize>();
            answered == 2
        });
        assert!(is_answered(&waiting) && is_answered(&late));
        assert_eq!(new.for_slot(3).len(), 3);
    }
}

#[test]
fn a_socket_that_allows_none_beside_it_is_shared() {
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = foreign.local_addr().unwrap();
    let socket = Socket::from_fd(foreign.into()).unwrap();
    let sockets =
        Sockets::adopt(vec![vec![socket]], &SocketOptions::default(), Strategy::ReusePort, 2).unwrap();
    let workers = [listener(&sockets, 0), listener(&sockets, 1)];
    workers[1].set_nonblocking(true).unwrap();
    let client = TcpStream::connect(to).unwrap();
    until("the connection", || answer_waiting(&workers[1]) == 1);
    assert!(is_answered(&client));
}

#[test]
fn what_is_no_socket_to_listen_at_is_refused() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let (pair, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for (fd, why) in [
        (OwnedFd::from(connected), "does not listen"),
        (pair.into(), "another kind"),
        (file.into(), "is no socket"),
    ] {
        let error = Socket::from_fd(fd).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    Socket::from_fd(udp.into()).unwrap();
}

#[test]
fn sockets_from_systemd_are_taken_once() {
    if !again::is_inner() {
        let listener: OwnedFd = TcpListener::bind("127.0.0.1:0").unwrap().into();
        let name = "sockets::inherited::sockets_from_systemd_are_taken_once";
        let shell = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$@\" 3<&0 </dev/null";
        return again::succeed(name, shell, listener);
    }
    let taken = systemd::take().unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].name, "web");
    TcpStream::connect(ip(taken[0].socket.address())).unwrap();
    assert!(systemd::take().unwrap().is_empty());
}

#[test]
fn a_descriptor_that_systemd_promised_and_is_not_there_is_an_error() {
    if !again::is_inner() {
        let name = "sockets::inherited::a_descriptor_that_systemd_promised_and_is_not_there_is_an_error";
        let shell = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; exec \"$@\" 3<&-";
        return again::succeed(name, shell, Stdio::null());
    }
    let error = systemd::take().unwrap_err().to_string();
    assert!(error.contains("`web`") && error.contains("descriptor 3 is not open"), "{error}");
}

#[test]
fn a_child_does_not_take_what_was_meant_for_its_parent() {
    if !again::is_inner() {
        let name = "sockets::inherited::a_child_does_not_take_what_was_meant_for_its_parent";
        return again::succeed(name, "export LISTEN_PID=$$ LISTEN_FDS=1; \"$@\"; exit $?", Stdio::null());
    }
    assert!(systemd::take().unwrap().is_empty());
}

#[test]
fn the_last_slots_socket_is_the_one_that_a_later_slot_gets() {
    let mut sockets = per_slot("127.0.0.1:0", 2);
    sockets.shrink(1);
    sockets.grow(2).unwrap();
    sockets.steer(&[1]).unwrap();
    let client = TcpStream::connect(ip(&sockets.addresses()[0])).unwrap();
    let worker = listener(&sockets, 1);
    until("the connection", || answer_waiting(&worker) == 1);
    assert!(is_answered(&client));
}
