//! What the kernel does with a closed socket's connections, which is why masters keep sockets open: `net.ipv4.tcp_migrate_req`
//! (Documentation/networking/ip-sysctl.rst).

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::{answer_waiting, ip, is_answered, listener, per_slot, until};
use crate::again;

const NAME: &str = "sockets::migrate::a_closed_sockets_connections_are_lost_unless_the_kernel_migrates_them";

#[test]
fn a_closed_sockets_connections_are_lost_unless_the_kernel_migrates_them() {
    if !again::is_inner() {
        let output =
            again::run("no such test", "exec unshare --user --map-root-user --net \"$@\"", Stdio::null());
        if !output.status.success() {
            eprintln!("skipped: no network namespace: {}", String::from_utf8_lossy(&output.stderr).trim());
            return;
        }
        return again::succeed(NAME, "exec unshare --user --map-root-user --net \"$@\"", Stdio::null());
    }
    loopback_up();
    for (migrate, expected) in [("0", 0), ("1", 10)] {
        std::fs::write("/proc/sys/net/ipv4/tcp_migrate_req", migrate).unwrap();
        let mut sockets = per_slot("127.0.0.1:0", 2);
        sockets.steer(&[1]).unwrap();
        let to = ip(&sockets.addresses()[0]);
        let clients: Vec<_> = (0..10).map(|_| TcpStream::connect(to).unwrap()).collect();
        until("they wait", || sockets.has_waiting(1));
        sockets.shrink(1);
        let left = listener(&sockets, 0);
        let mut answered = 0;
        until("they migrate", || {
            answered += answer_waiting(&left);
            answered == expected
        });
        assert_eq!(clients.iter().filter(|client| is_answered(client)).count(), expected, "{migrate}");
    }
}

/// A new namespace has a loopback interface that is down: rtnetlink(7), RTM_NEWLINK.
fn loopback_up() {
    // Protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None).unwrap();
    let mut message = Vec::new();
    message.extend(32u32.to_ne_bytes()); // length
    message.extend(16u16.to_ne_bytes()); // RTM_NEWLINK
    message.extend(1u16.to_ne_bytes()); // NLM_F_REQUEST
    message.extend([0; 8]); // sequence, port
    message.extend([0; 4]); // family, type
    message.extend(1u32.to_ne_bytes()); // index of the interface: lo
    message.extend(1u32.to_ne_bytes()); // flags: IFF_UP
    message.extend(1u32.to_ne_bytes()); // which flags change
    assert_eq!(File::from(socket).write(&message).unwrap(), 32);
}
