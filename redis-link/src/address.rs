//! Where Redis listens, as operators write it.

use redis::{ConnectionAddr, IntoConnectionInfo};
use std::fmt;
use std::path::PathBuf;

/// Where Redis listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Unencrypted.
    Tcp {
        /// A name or an address, an IPv6 one without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Encrypted, its certificate checked for this host.
    Tls {
        /// As of TCP.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// An address, and what stood beside it. No `Debug`, as it holds a password.
pub struct Given {
    /// Where Redis listens.
    pub address: Address,
    /// A user of Redis' access control lists.
    pub username: Option<String>,
    /// To be shown nowhere.
    pub password: Option<String>,
    /// 0 if none is named.
    pub database: u32,
}

/// Why a text is no address. Does not repeat it, as it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAddress {
    /// It has another form than those that are read.
    #[error("no address of Redis; write HOST:PORT, redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], the same with rediss:// for TLS, or unix:///PATH[?db=DATABASE]")]
    Form,
    /// It has a `#`.
    #[error("an address has no fragment (`#`): certificates are always checked; name their authority in ca-file, and write `#` in a password as %23")]
    Fragment,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv6 address has colons of its own.
            Address::Tcp { host, port } | Address::Tls { host, port } if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Tls { host, port } => write!(f, "{host}:{port} (TLS)"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads `HOST:PORT` or a URL of `redis://`, `rediss://` (TLS), `unix://` or `redis+unix://`.
///
/// # Errors
/// [`NoAddress`], which says what is accepted.
pub fn parse(text: &str) -> Result<Given, NoAddress> {
    // The crate would refuse TLS, which is ours to do.
    let (is_tls, url) = match text.strip_prefix("rediss://") {
        Some(rest) => (true, format!("redis://{rest}")),
        None if text.contains("://") => (false, text.to_owned()),
        None => (false, format!("redis://{text}")),
    };
    if url.contains('#') {
        return Err(NoAddress::Fragment);
    }
    let info = url.as_str().into_connection_info().map_err(|_| NoAddress::Form)?;
    let address = match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let port = *port;
            if is_tls {
                Address::Tls { host, port }
            } else {
                Address::Tcp { host, port }
            }
        }
        ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
        _ => return Err(NoAddress::Form),
    };
    let redis = info.redis_settings();
    Ok(Given {
        address,
        username: redis.username().map(str::to_owned),
        password: redis.password().map(str::to_owned),
        database: u32::try_from(redis.db()).map_err(|_| NoAddress::Form)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, shown, database) in [
            ("localhost:6380", "localhost:6380", 0),
            ("localhost", "localhost:6379", 0),
            ("192.0.2.1:1", "192.0.2.1:1", 0),
            ("[::1]:6380", "[::1]:6380", 0),
            ("redis://cache.example.org/3", "cache.example.org:6379", 3),
            ("rediss://cache.example.org:1234/2", "cache.example.org:1234 (TLS)", 2),
            ("unix:///run/redis/redis.sock", "/run/redis/redis.sock", 0),
            ("unix:///run/redis.sock?db=5", "/run/redis.sock", 5),
            ("redis+unix:///run/redis.sock?db=6", "/run/redis.sock", 6),
        ] {
            let given = parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            assert_eq!((given.address.to_string().as_str(), given.database), (shown, database), "{text}");
        }
        let given = parse("redis://al%20ice:s%23cret@h:1").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((given.username.as_deref(), given.password.as_deref()), (Some("al ice"), Some("s#cret")));
        assert_eq!(parse("unix:///s?pass=p").ok().and_then(|given| given.password).as_deref(), Some("p"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "http://h",
            "redis://",
            "h:port",
            "h:99999",
            "redis://h/x",
            "redis://h/-1",
            "rediss://h/#insecure",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
