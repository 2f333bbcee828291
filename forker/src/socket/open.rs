//! One socket.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};

use super::Address;

/// How sockets are opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SocketOptions {
    /// Connections that may wait to be accepted, on each socket. The kernel caps it at `net.core.somaxconn`.
    pub backlog: u32,
    /// Whether an IPv6 socket refuses IPv4. Without it `[::]` is dual stack.
    pub v6_only: bool,
    /// TCP_DEFER_ACCEPT: a connection is handed out when its first bytes are there, or after this time.
    pub defer_accept: Option<Duration>,
    /// TCP_FASTOPEN: connections that may wait with data in their first packet.
    pub fast_open: Option<u32>,
    /// The mode of a unix socket's file.
    pub unix_mode: u32,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { backlog: 4096, v6_only: false, defer_accept: None, fast_open: None, unix_mode: 0o666 }
    }
}

/// A socket that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// It could not be opened.
    #[error("cannot listen on {address}")]
    Open {
        /// Where.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// It is of another kind than was asked for.
    #[error("the socket on {address} is no {wanted}")]
    Kind {
        /// Where.
        address: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// An inherited descriptor could not be looked at.
    #[error("an inherited descriptor is no socket to listen on")]
    Inherited(#[source] io::Error),
}

/// An open socket: listening, or bound if it is UDP.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
    address: Address,
}

impl Socket {
    /// Opens it. With `reuse_port` several sockets share the address.
    ///
    /// # Errors
    /// [`SocketError::Open`] with the address.
    pub fn open(address: &Address, options: &SocketOptions, reuse_port: bool) -> Result<Self, SocketError> {
        let open = || -> io::Result<socket2::Socket> {
            let (domain, kind, to) = match address {
                Address::Tcp(to) => (Domain::for_address(*to), Type::STREAM, SockAddr::from(*to)),
                Address::Udp(to) => (Domain::for_address(*to), Type::DGRAM, SockAddr::from(*to)),
                Address::Unix(path) => (Domain::UNIX, Type::STREAM, SockAddr::unix(path)?),
            };
            let socket = socket2::Socket::new(domain, kind.nonblocking(), None)?;
            if domain == Domain::IPV6 {
                socket.set_only_v6(options.v6_only)?;
            }
            if kind == Type::STREAM && domain != Domain::UNIX {
                socket.set_reuse_address(true)?;
            }
            if reuse_port && domain != Domain::UNIX {
                socket.set_reuse_port(true)?;
            }
            socket.bind(&to)?;
            if kind == Type::STREAM {
                socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
            }
            Ok(socket)
        };
        let socket = open().map_err(|source| SocketError::Open { address: address.clone(), source })?;
        Self::of(socket)
    }

    /// Takes a descriptor that somebody else opened, and finds out what it is.
    ///
    /// # Errors
    /// [`SocketError::Inherited`] if it is no socket.
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, SocketError> {
        Self::of(socket2::Socket::from(descriptor))
    }

    fn of(socket: socket2::Socket) -> Result<Self, SocketError> {
        let kind = socket.r#type().map_err(SocketError::Inherited)?;
        let local = socket.local_addr().map_err(SocketError::Inherited)?;
        let address = match (local.as_socket(), local.as_pathname()) {
            (Some(address), _) if kind == Type::DGRAM => Address::Udp(address),
            (Some(address), _) => Address::Tcp(address),
            (None, Some(path)) => Address::Unix(path.to_owned()),
            (None, None) => return Err(SocketError::Inherited(io::ErrorKind::Unsupported.into())),
        };
        Ok(Self { socket, address })
    }

    /// Where it really is: with the port that was found for port 0.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its IP address and port, if it has such.
    pub fn ip_address(&self) -> Option<SocketAddr> {
        match &self.address {
            Address::Tcp(address) | Address::Udp(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// A listener of std. It does not block: `accept` gives `WouldBlock` where nobody waits, so poll or call
    /// `set_nonblocking(false)`, which concerns all processes that share the socket.
    ///
    /// # Errors
    /// [`SocketError::Kind`] if it is not TCP.
    pub fn into_tcp_listener(self) -> Result<TcpListener, SocketError> {
        match self.address {
            Address::Tcp(_) => Ok(self.socket.into()),
            other => Err(SocketError::Kind { address: other.to_string(), wanted: "TCP socket" }),
        }
    }

    /// As [`Socket::into_tcp_listener`].
    ///
    /// # Errors
    /// [`SocketError::Kind`] if it is no unix socket.
    pub fn into_unix_listener(self) -> Result<UnixListener, SocketError> {
        match self.address {
            Address::Unix(_) => Ok(OwnedFd::from(self.socket).into()),
            other => Err(SocketError::Kind { address: other.to_string(), wanted: "unix socket" }),
        }
    }

    /// As [`Socket::into_tcp_listener`].
    ///
    /// # Errors
    /// [`SocketError::Kind`] if it is not UDP.
    pub fn into_udp_socket(self) -> Result<UdpSocket, SocketError> {
        match self.address {
            Address::Udp(_) => Ok(self.socket.into()),
            other => Err(SocketError::Kind { address: other.to_string(), wanted: "UDP socket" }),
        }
    }

    /// Another descriptor for the same socket.
    ///
    /// # Errors
    /// As `dup(2)`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, address: self.address.clone() })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
