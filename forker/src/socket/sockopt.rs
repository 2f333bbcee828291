//! The socket options that rustix does not have.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use rustix::io::Errno;

use super::steering::Instruction;

/// `TCP_DEFER_ACCEPT` (tcp(7)), in whole seconds, rounded up.
pub(super) fn set_defer_accept(socket: impl AsFd, patience: Duration) -> Result<(), Errno> {
    let seconds = patience.as_secs() + u64::from(patience.subsec_nanos() > 0);
    let seconds = c_int::try_from(seconds).unwrap_or(c_int::MAX);
    set(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, &seconds)
}

/// `TCP_FASTOPEN` (tcp(7)).
pub(super) fn set_fast_open(socket: impl AsFd, pending: u32) -> Result<(), Errno> {
    let pending = c_int::try_from(pending).unwrap_or(c_int::MAX);
    set(socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, &pending)
}

/// `SO_ATTACH_REUSEPORT_CBPF` (socket(7)): of the whole group that the socket is in, in place of the program before.
pub(super) fn attach_reuseport_program(socket: impl AsFd, program: &[Instruction]) -> Result<(), Errno> {
    let mut filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|one| libc::sock_filter { code: one.code, jt: one.jump_true, jf: one.jump_false, k: one.k })
        .collect();
    let len = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    // The kernel copies the instructions during the call, so they need not live longer than `filter`.
    let description = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, &description)
}

/// `SO_BINDTOIFINDEX` (SO_BINDTODEVICE in socket(7), by index), to an interface that there is not: the kernel finds the socket for no new packet
/// any more. What waits in its queue stays there, and half-open connections end up there, too, as both are found by their own addresses.
///
/// There is no way back without privileges.
///
/// # Errors
/// What setsockopt(2) says, for instance before Linux 5.7 without privileges, or where the socket is bound to an interface already.
pub(super) fn hide(socket: impl AsFd) -> Result<(), Errno> {
    // Indices are given in order from 1 on, and the kernel does not look whether there is such an interface (sock_bindtoindex).
    set(socket, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, &c_int::MAX)
}

fn set<T>(socket: impl AsFd, level: c_int, option: c_int, value: &T) -> Result<(), Errno> {
    // SAFETY:
    // - the descriptor is open, since it is borrowed;
    // - the pointer and the length are those of `value`, which outlives the call;
    // - the callers pass the type that the kernel reads for their option; where that holds a pointer, it is valid for the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::Instant;

    use super::*;

    fn get(socket: &TcpListener, option: c_int) -> c_int {
        let (mut value, mut length) = (0 as c_int, size_of::<c_int>() as libc::socklen_t);
        // SAFETY: the descriptor is open, and the kernel writes at most `length` bytes to `value`.
        let result = unsafe {
            let value = std::ptr::from_mut(&mut value).cast();
            libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, value, &mut length)
        };
        assert_eq!(result, 0);
        value
    }

    #[test]
    fn what_is_set_is_what_the_kernel_has() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(get(&socket, libc::TCP_DEFER_ACCEPT), 0);
        set_defer_accept(&socket, Duration::from_millis(1)).unwrap();
        assert_eq!(get(&socket, libc::TCP_DEFER_ACCEPT), 1);
        set_fast_open(&socket, 17).unwrap();
        assert_eq!(get(&socket, libc::TCP_FASTOPEN), 17);
    }

    #[test]
    fn a_program_that_the_kernel_does_not_understand_is_refused() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let nonsense = Instruction { code: 0xffff, jump_true: 0, jump_false: 0, k: 0 };
        assert_eq!(attach_reuseport_program(&socket, &[nonsense]), Err(Errno::INVAL));
    }

    /// Also what is half open, which `TCP_DEFER_ACCEPT` makes last until the client sends. Where the system lets it: Linux does from 5.7 on.
    #[test]
    fn a_hidden_listener_keeps_what_has_begun_and_is_found_no_more() {
        for defers in [false, true] {
            let socket = TcpListener::bind("127.0.0.1:0").unwrap();
            if defers {
                set_defer_accept(&socket, Duration::from_secs(30)).unwrap();
            }
            let to = socket.local_addr().unwrap();
            let mut client = TcpStream::connect(to).unwrap();
            if let Err(errno) = hide(&socket) {
                eprintln!("skipped: a socket cannot be hidden: {errno}");
                return;
            }
            assert_eq!(TcpStream::connect(to).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{defers}");
            client.write_all(b"x").unwrap();
            socket.set_nonblocking(true).unwrap();
            let deadline = Instant::now() + Duration::from_secs(20);
            let (mut accepted, _) = loop {
                match socket.accept() {
                    Ok(accepted) => break accepted,
                    Err(error) => assert!(Instant::now() < deadline, "{defers}: {error}"),
                }
                std::thread::yield_now();
            };
            accepted.set_nonblocking(false).unwrap();
            accepted.write_all(b"y").unwrap();
            for mut end in [client, accepted] {
                end.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                assert_eq!(end.read(&mut [0; 2]).unwrap(), 1, "{defers}");
            }
        }
    }

    #[test]
    fn a_hidden_socket_gets_no_datagrams() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(socket.local_addr().unwrap()).unwrap();
        if let Err(errno) = hide(&socket) {
            eprintln!("skipped: a socket cannot be hidden: {errno}");
            return;
        }
        sender.send(b"x").unwrap();
        sender.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(sender.recv(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
