//! One listening socket.

use std::fmt;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, getsockname};

use super::unix_file::UnixFile;
use super::{Address, SocketError, SocketOptions, open};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// TCP over either IP.
    Tcp,
    /// Streams on this machine.
    Unix,
    /// UDP over either IP.
    Udp,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Unix => "a unix stream socket",
            Self::Udp => "UDP",
        })
    }
}

/// A socket that listens (TCP, unix) or receives (UDP). It is closed on exec. One that was opened here does not block: where nothing waits,
/// `accept` gives `WouldBlock`. Its clones, and the processes that it is handed to, share that setting with it, and its queue.
///
/// The file of a unix socket is removed when the `Socket` that opened it is dropped; clones of it, and the `std` types made of it, leave it.
#[derive(Debug)]
pub struct Socket {
    // First, so that the file is removed while the socket still listens: whoever finds it is answered.
    pub(super) file: Option<UnixFile>,
    pub(super) fd: OwnedFd,
    pub(super) address: Address,
}

impl Socket {
    /// Opens a socket that nobody else listens at, and lets it listen. With `reuse_port`, others can join it (`SO_REUSEPORT`), opened with
    /// [`open_beside`](Self::open_beside); the port is this one's alone until this function returns, so that it is never shared with a
    /// server of the same user that happens to allow it.
    ///
    /// A unix socket that nobody listens at any more is replaced.
    ///
    /// # Errors
    /// [`SocketError`]; nothing is left behind.
    pub fn open(address: &Address, options: &SocketOptions, reuse_port: bool) -> Result<Self, SocketError> {
        open::first(address, options, reuse_port)
    }

    /// Opens one more socket at the address of this one, which was opened with `reuse_port`: with a queue of its own.
    ///
    /// # Errors
    /// [`SocketError`]; for unix sockets always.
    pub fn open_beside(&self, options: &SocketOptions) -> Result<Self, SocketError> {
        open::join(&self.address, options)
    }

    /// Opens one more socket at an address that other processes of this user have opened with `reuse_port`, and share on purpose.
    ///
    /// # Errors
    /// [`SocketError`]; for unix sockets always.
    pub fn join(address: &Address, options: &SocketOptions) -> Result<Self, SocketError> {
        open::join(address, options)
    }

    /// A socket that came from elsewhere: inherited from systemd or from a master. Its kind and address are those that it has.
    ///
    /// # Errors
    /// [`SocketError::Descriptor`] if it is none that this type is for.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, SocketError> {
        let wrong = |why| SocketError::Descriptor { descriptor: fd.as_raw_fd(), why };
        let failed = |errno| match errno {
            Errno::BADF => wrong("is not open"),
            Errno::NOTSOCK => wrong("is no socket"),
            _ => wrong("does not tell what it is"),
        };
        let family = socket_domain(&fd).map_err(failed)?;
        let socket_type = socket_type(&fd).map_err(failed)?;
        let is_ip = family == AddressFamily::INET || family == AddressFamily::INET6;
        let kind = match socket_type {
            SocketType::STREAM if is_ip => Kind::Tcp,
            SocketType::DGRAM if is_ip => Kind::Udp,
            SocketType::STREAM if family == AddressFamily::UNIX => Kind::Unix,
            _ => return Err(wrong("is a socket of another kind")),
        };
        if kind != Kind::Udp && !socket_acceptconn(&fd).map_err(failed)? {
            return Err(wrong("is a socket that does not listen"));
        }
        let name = getsockname(&fd).map_err(failed)?;
        let address = if kind == Kind::Unix {
            let name = SocketAddrUnix::try_from(name).map_err(failed)?;
            Address::Unix(unix_path(&name))
        } else {
            let name = SocketAddr::try_from(name).map_err(failed)?;
            if name.port() == 0 {
                return Err(wrong("is a socket without a port"));
            }
            if kind == Kind::Tcp { Address::Tcp(name) } else { Address::Udp(name) }
        };
        let flags = fcntl_getfd(&fd).map_err(failed)?;
        fcntl_setfd(&fd, flags | FdFlags::CLOEXEC).map_err(failed)?;
        Ok(Self { file: None, fd, address })
    }

    /// What it speaks.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.address.kind()
    }

    /// Where it really listens: with the port that the system chose.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same socket under another descriptor, with the same queue.
    ///
    /// # Errors
    /// [`SocketError::TooManyFiles`], if there are.
    pub fn try_clone(&self) -> Result<Self, SocketError> {
        let fd = fcntl_dupfd_cloexec(&self.fd, 3)
            .map_err(|errno| SocketError::from_errno("duplicate the socket", &self.address, errno))?;
        Ok(Self { file: None, fd, address: self.address.clone() })
    }

    /// Connections wait to be accepted, or datagrams to be received.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        let mut asked = [PollFd::new(&self.fd, PollFlags::IN)];
        // On an error nobody knows; then something may wait.
        !matches!(poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }

    /// For `std`, or for tokio's `from_std`.
    ///
    /// # Errors
    /// [`SocketError::WrongKind`], which has closed the socket.
    pub fn into_tcp_listener(self) -> Result<TcpListener, SocketError> {
        self.into_fd_of(Kind::Tcp).map(TcpListener::from)
    }

    /// For `std`, or for tokio's `from_std`. The socket's file stays.
    ///
    /// # Errors
    /// [`SocketError::WrongKind`], which has closed the socket.
    pub fn into_unix_listener(self) -> Result<UnixListener, SocketError> {
        self.into_fd_of(Kind::Unix).map(UnixListener::from)
    }

    /// For `std`, or for tokio's `from_std`.
    ///
    /// # Errors
    /// [`SocketError::WrongKind`], which has closed the socket.
    pub fn into_udp_socket(self) -> Result<UdpSocket, SocketError> {
        self.into_fd_of(Kind::Udp).map(UdpSocket::from)
    }

    fn into_fd_of(self, wanted: Kind) -> Result<OwnedFd, SocketError> {
        if self.kind() == wanted {
            Ok(self.into())
        } else {
            Err(SocketError::WrongKind { kind: self.kind(), address: self.address.clone(), wanted })
        }
    }

    /// From now on the socket's file is somebody else's.
    pub(super) fn leave_file(&mut self) {
        // Not dropped, which would remove it. Two numbers and a path are lost, once for each such socket.
        std::mem::forget(self.file.take());
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Socket> for OwnedFd {
    /// The socket's file stays.
    fn from(mut socket: Socket) -> Self {
        socket.leave_file();
        socket.fd
    }
}

fn unix_path(name: &SocketAddrUnix) -> PathBuf {
    let bytes = match name.abstract_name() {
        Some(name) => [b"@", name].concat(),
        None => name.path_bytes().unwrap_or_default().to_vec(),
    };
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}
