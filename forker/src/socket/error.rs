//! What can go wrong with a socket.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::{Address, Kind};

/// Why there is no socket, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another process listens there.
    #[error("{address} is in use by another process{}; stop it, or choose another address", find(address))]
    InUse {
        /// The address.
        address: Address,
    },
    /// A port that only the privileged may have, or a folder that one may not write to.
    #[error("no permission to listen at {address}: {}", cure(address))]
    Permission {
        /// The address.
        address: Address,
    },
    /// No interface has the address.
    #[error("{address} belongs to no interface of this machine; 0.0.0.0 and [::] are those of all")]
    NotLocal {
        /// The address.
        address: Address,
    },
    /// The process has as many descriptors as it may.
    #[error(
        "no descriptor left for a socket at {address}: this process may have {limit} open files (RLIMIT_NOFILE); \
         raise that (ulimit -n, LimitNOFILE=) or use fewer workers"
    )]
    TooManyFiles {
        /// The address.
        address: Address,
        /// The soft limit.
        limit: u64,
    },
    /// The option is for other addresses.
    #[error("{option} is an option of {belongs_to}, and {address} is none; leave it out there")]
    Option {
        /// Its name in [`SocketOptions`](super::SocketOptions).
        option: &'static str,
        /// Where it makes sense.
        belongs_to: &'static str,
        /// The address.
        address: Address,
    },
    /// Something other than a socket has the name, and stays.
    #[error("{} is there and is no socket; remove it, or choose another path", .0.display())]
    NoSocketFile(PathBuf),
    /// The descriptor is not open, or no socket, or not one that a server can use.
    #[error(
        "descriptor {descriptor} {why}; expected a listening TCP or unix stream socket, or a bound UDP one"
    )]
    Descriptor {
        /// Its number.
        descriptor: i32,
        /// In words.
        why: &'static str,
    },
    /// A socket of another kind was asked for.
    #[error("{address} is {kind}, and {wanted} was asked for")]
    WrongKind {
        /// The socket's.
        address: Address,
        /// What it is.
        kind: Kind,
        /// What it would have to be.
        wanted: Kind,
    },
    /// The system did not do it.
    #[error("cannot {operation} for {address}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The address.
        address: Address,
        /// Why not.
        source: io::Error,
    },
}

impl SocketError {
    /// What an error of the system means for somebody who wants to listen.
    pub(super) fn from_errno(operation: &'static str, address: &Address, errno: Errno) -> Self {
        let address = address.clone();
        match errno {
            Errno::ADDRINUSE => Self::InUse { address },
            Errno::ADDRNOTAVAIL => Self::NotLocal { address },
            Errno::ACCESS | Errno::PERM => Self::Permission { address },
            Errno::MFILE => {
                let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
                Self::TooManyFiles { address, limit }
            }
            errno => Self::System { operation, address, source: errno.into() },
        }
    }
}

/// How to see who has it.
fn find(address: &Address) -> String {
    match address {
        Address::Tcp(ip) => format!(" (ss -ltnp 'sport = {}' shows which)", ip.port()),
        Address::Udp(ip) => format!(" (ss -lunp 'sport = {}' shows which)", ip.port()),
        Address::Unix(_) => " (ss -lxp shows which)".to_owned(),
    }
}

fn cure(address: &Address) -> &'static str {
    match address {
        Address::Unix(_) => "the folder has to be writable",
        Address::Tcp(_) | Address::Udp(_) => {
            "ports below net.ipv4.ip_unprivileged_port_start (1024) need CAP_NET_BIND_SERVICE; choose another, or have systemd open it"
        }
    }
}
