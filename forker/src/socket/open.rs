//! Opens sockets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, getsockname, listen, socket_with,
};

use super::sockopt::{set_defer_accept, set_fast_open};
use super::unix_file::{UnixFile, remove_stale};
use super::{Address, Kind, Socket, SocketError, SocketOptions};

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// See [`Socket::open`].
pub(super) fn first(
    address: &Address,
    options: &SocketOptions,
    reuse_port: bool,
) -> Result<Socket, SocketError> {
    options.check(address)?;
    match address {
        Address::Tcp(ip) | Address::Udp(ip) => {
            // Bound as one that shares with nobody, which fails if anybody has the port, and only then made one that shares: the kernel
            // looks at the option of each socket at the moment another one is bound (inet_csk_bind_conflict, udp_lib_lport_inuse).
            let socket = bound(address, *ip, options, false)?;
            if reuse_port {
                set_socket_reuseport(&socket.fd, true)
                    .map_err(|errno| failed(address, "share the port")(errno))?;
            }
            start(socket, options)
        }
        Address::Unix(path) => unix(address, path, options),
    }
}

/// See [`Socket::join`].
pub(super) fn join(address: &Address, options: &SocketOptions) -> Result<Socket, SocketError> {
    options.check(address)?;
    match address {
        Address::Tcp(ip) | Address::Udp(ip) => start(bound(address, *ip, options, true)?, options),
        Address::Unix(_) => {
            Err(SocketError::WrongKind { address: address.clone(), kind: Kind::Unix, wanted: Kind::Tcp })
        }
    }
}

fn bound(
    address: &Address,
    ip: SocketAddr,
    options: &SocketOptions,
    shared: bool,
) -> Result<Socket, SocketError> {
    let is_tcp = address.kind() == Kind::Tcp;
    let family = if ip.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket_type = if is_tcp { SocketType::STREAM } else { SocketType::DGRAM };
    let fd = socket_with(family, socket_type, FLAGS, None).map_err(failed(address, "make a socket"))?;
    if ip.is_ipv6() {
        set_ipv6_v6only(&fd, options.v6_only).map_err(failed(address, "choose the IP versions"))?;
    }
    if is_tcp {
        // Connections of the server before that are in TIME_WAIT do not keep the port. For UDP it would mean something else: that others
        // may take the port.
        set_socket_reuseaddr(&fd, true).map_err(failed(address, "reuse the address"))?;
    }
    if shared {
        set_socket_reuseport(&fd, true).map_err(failed(address, "share the port"))?;
    }
    bind(&fd, &ip).map_err(failed(address, "bind a socket"))?;
    let name = getsockname(&fd)
        .and_then(SocketAddr::try_from)
        .map_err(failed(address, "read the name of the socket"))?;
    let real = if is_tcp { Address::Tcp(name) } else { Address::Udp(name) };
    Ok(Socket { file: None, fd, address: real })
}

/// Sets what remains, and lets TCP listen.
fn start(socket: Socket, options: &SocketOptions) -> Result<Socket, SocketError> {
    let Socket { fd, address, .. } = &socket;
    if let Some(patience) = options.defer_accept {
        set_defer_accept(fd, patience).map_err(failed(address, "set TCP_DEFER_ACCEPT"))?;
    }
    if let Some(pending) = options.fast_open {
        set_fast_open(fd, pending).map_err(failed(address, "set TCP_FASTOPEN"))?;
    }
    if socket.kind() == Kind::Tcp {
        listen(fd, backlog(options)).map_err(failed(address, "listen"))?;
    }
    Ok(socket)
}

fn unix(address: &Address, path: &Path, options: &SocketOptions) -> Result<Socket, SocketError> {
    let make = || socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None);
    let fd: OwnedFd = make().map_err(failed(address, "make a socket"))?;
    let Some(name) = address.abstract_name() else {
        remove_stale(path)?;
        if let Some(mode) = options.unix_mode {
            // The file gets the mode that the socket has when it is bound, less the umask: unix_bind_bsd() in net/unix/af_unix.c of the
            // kernel. So there is no moment at which it has another.
            fchmod(&fd, Mode::from_raw_mode(mode)).map_err(failed(address, "set the mode"))?;
        }
        let name = SocketAddrUnix::new(path).map_err(failed(address, "name the socket"))?;
        bind(&fd, &name).map_err(failed(address, "bind a socket"))?;
        let file = UnixFile::own(path).ok();
        listen(&fd, backlog(options)).map_err(failed(address, "listen"))?;
        // Between bind and listen the file looks as if a dead server had left it, and another that starts now may have replaced it.
        return match file {
            Some(file) if file.is_there() => Ok(Socket { file: Some(file), fd, address: address.clone() }),
            _ => Err(SocketError::InUse { address: address.clone() }),
        };
    };
    let name = SocketAddrUnix::new_abstract_name(name).map_err(failed(address, "name the socket"))?;
    bind(&fd, &name).map_err(failed(address, "bind a socket"))?;
    listen(&fd, backlog(options)).map_err(failed(address, "listen"))?;
    Ok(Socket { file: None, fd, address: address.clone() })
}

fn backlog(options: &SocketOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}

fn failed(address: &Address, operation: &'static str) -> impl FnOnce(Errno) -> SocketError {
    move |errno| SocketError::from_errno(operation, address, errno)
}
