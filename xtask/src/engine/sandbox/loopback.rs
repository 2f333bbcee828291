//! The loopback interface, which a new network namespace has but does not start.

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::fault::{During, Fault, Step};

/// Starts `lo`, so that a program can talk to itself on 127.0.0.1 as it can in docker's network `none`.
pub(super) fn start() -> Result<(), Fault> {
    set_up().during(Step::Namespaces, || "start the loopback interface".into())
}

fn set_up() -> rustix::io::Result<()> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    send(&kernel, &request(), SendFlags::empty())?;
    let mut answer = [0; 64];
    let (_, length) = recv(&kernel, &mut answer, RecvFlags::empty())?;
    // An answer is a header and the negated errno, 0 for success.
    match answer[..length].get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(Errno::from_raw_os_error(-error)),
        None => Err(Errno::PROTO),
    }
}

/// `struct nlmsghdr` and `struct ifinfomsg` that set IFF_UP (netlink(7), rtnetlink(7)).
fn request() -> [u8; 32] {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
    // The loopback interface is the first one of every namespace.
    const LOOPBACK: u32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = [0; 32];
    message[0..4].copy_from_slice(&32_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    message[20..24].copy_from_slice(&LOOPBACK.to_ne_bytes());
    message[24..28].copy_from_slice(&IFF_UP.to_ne_bytes());
    message[28..32].copy_from_slice(&IFF_UP.to_ne_bytes());
    message
}
