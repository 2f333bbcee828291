//! The listening sockets: one for each worker, all on one address. The system shares new connections out among them
//! (`SO_REUSEPORT`, socket(7)).

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind as bind_to, listen, socket_with, sockopt};

use crate::error::FrontError;

/// How many connections the system may keep for a worker that has no time for them; it may have a lower bound of its own
/// (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

/// `count` sockets that listen on one address, not blocking. Port 0 is a port that the system chooses, the same for all.
///
/// # Errors
/// If somebody else listens there, be it a server of the same user that shares its port among its own workers.
pub fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, FrontError> {
    open(address, count).map_err(|source| FrontError::Listen { address, source })
}

fn open(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // The first asks for the address alone, and so is refused by whoever has it, shared or not. Only when it listens, and
    // would be refused to others in turn, does it share. Asked for in the usual order, the address would be shared
    // with any process of the same user.
    let first = TcpListener::bind(address)?;
    sockopt::set_socket_reuseport(&first, true)?;
    listen(&first, BACKLOG)?;
    first.set_nonblocking(true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..count {
        sockets.push(join(address)?);
    }
    Ok(sockets)
}

/// One more socket on an address that is shared already.
fn join(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind_to(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn all_listen_on_one_port_and_nobody_else_does() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let sockets = open(host.parse().unwrap(), 3).unwrap();
            let address = sockets[0].local_addr().unwrap();
            assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
            assert_eq!(open(address, 3).unwrap_err().kind(), ErrorKind::AddrInUse);
            assert_eq!(join_exclusively(address).unwrap_err().kind(), ErrorKind::AddrInUse);
            drop(sockets);
            assert_eq!(open(address, 2).unwrap().len(), 2);
        }
    }

    fn join_exclusively(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address)
    }

    #[test]
    fn connections_are_shared_out() {
        let sockets = open("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = sockets[0].local_addr().unwrap();
        let clients: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        let waiting: Vec<usize> =
            sockets.iter().map(|socket| std::iter::from_fn(|| socket.accept().ok()).count()).collect();
        assert_eq!(waiting.iter().sum::<usize>(), clients.len());
        assert!(waiting.iter().all(|count| *count > 0), "{waiting:?}");
    }
}
