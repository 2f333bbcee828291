//! Where a service listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on. Written `127.0.0.1:80`, `[::]:80`, `tcp://…`, `udp://…` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// TCP over IPv4 or IPv6; port 0 is any free one.
    Tcp(SocketAddr),
    /// A stream socket of the file system.
    Unix(PathBuf),
    /// UDP over IPv4 or IPv6.
    Udp(SocketAddr),
}

/// A text that is no address.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is no address to listen on; it takes `IP:PORT`, `[IPv6]:PORT`, `udp://IP:PORT` or `unix:/PATH`"
)]
pub struct AddressError {
    text: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressError { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(address) = text.strip_prefix("udp://") {
            return address.parse().map(Self::Udp).map_err(|_| wrong());
        }
        text.strip_prefix("tcp://").unwrap_or(text).parse().map(Self::Tcp).map_err(|_| wrong())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Udp(address) => write!(formatter, "udp://{address}"),
        }
    }
}
