//! Where to listen, as people write it.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Kind;

/// What a server listens at. Written `127.0.0.1:80`, `[::]:80`, `tcp://127.0.0.1:80`, `udp://0.0.0.0:53`, `unix:/run/x.sock`.
///
/// Names are not looked up: what a name stands for may change between the start of a server and its next one. An address is
/// displayed as it can be read again, except for a unix path that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// TCP. `[::]` is every address of both families, unless [`v6_only`](super::SocketOptions::v6_only); port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A stream socket with a file, or one in the abstract namespace if the path begins with `@` (unix(7)).
    Unix(PathBuf),
    /// UDP.
    Udp(SocketAddr),
}

/// Why a text is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No IP address with a port.
    #[error(
        "`{text}` is no address to listen at{hint}; write 127.0.0.1:80, [::]:80, udp://0.0.0.0:53 or unix:/run/x.sock"
    )]
    NoAddress {
        /// What was given.
        text: String,
        /// What is probably wrong with it; empty or begins with a comma.
        hint: &'static str,
    },
    /// Something other than `tcp://`, `udp://` or `unix:` stands in front.
    #[error("`{text}` begins with `{scheme}://`, and only tcp://, udp:// and unix: are known")]
    Scheme {
        /// What was given.
        text: String,
        /// What stands before `://`.
        scheme: String,
    },
    /// The path of a unix socket cannot be one.
    #[error("`{text}` {why}")]
    Path {
        /// What was given.
        text: String,
        /// In words.
        why: &'static str,
    },
}

/// `sun_path` has 108 bytes, one of which ends the path (unix(7)).
const LONGEST_PATH: usize = 107;

impl Address {
    /// Which protocol it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Tcp(_) => Kind::Tcp,
            Self::Unix(_) => Kind::Unix,
            Self::Udp(_) => Kind::Udp,
        }
    }

    /// The file that a unix socket has: none for other kinds, nor in the abstract namespace.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) if self.abstract_name().is_none() => Some(path),
            _ => None,
        }
    }

    /// The name of a unix socket in the abstract namespace.
    pub(super) fn abstract_name(&self) -> Option<&[u8]> {
        match self {
            Self::Unix(path) => path.as_os_str().as_bytes().strip_prefix(b"@"),
            _ => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(text, path);
        }
        match text.split_once("://") {
            Some(("tcp", rest)) => Ok(Self::Tcp(ip(text, rest)?)),
            Some(("udp", rest)) => Ok(Self::Udp(ip(text, rest)?)),
            Some((scheme, _)) => {
                Err(AddressError::Scheme { text: text.to_owned(), scheme: scheme.to_owned() })
            }
            None => Ok(Self::Tcp(ip(text, text)?)),
        }
    }
}

fn unix(text: &str, path: &str) -> Result<Address, AddressError> {
    let failed = |why| Err(AddressError::Path { text: text.to_owned(), why });
    // As in unix:///run/x.sock: nothing stands for the host.
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        _ => path,
    };
    match path.strip_prefix('@').unwrap_or(path) {
        "" => return failed("names no path; write unix:/run/x.sock"),
        name if name.contains('\0') => return failed("has a zero byte in its path"),
        _ => {}
    }
    if path.len() > LONGEST_PATH {
        return failed("has a longer path than the 107 bytes that a unix socket can have");
    }
    Ok(Address::Unix(PathBuf::from(OsStr::from_bytes(path.as_bytes()))))
}

fn ip(text: &str, address: &str) -> Result<SocketAddr, AddressError> {
    address.parse().map_err(|_| AddressError::NoAddress { text: text.to_owned(), hint: hint(address) })
}

/// The usual slips.
fn hint(address: &str) -> &'static str {
    let (host, port) = match address.rsplit_once(':') {
        Some(("", _)) => return " (no IP address before the port: [::] is all of them)",
        Some(parts) => parts,
        None if address.contains('/') => return " (unix: stands before a path)",
        None => return " (a port is missing)",
    };
    if host.contains(':') && !host.starts_with('[') {
        return " (an IPv6 address stands in brackets)";
    }
    if port.parse::<u16>().is_err() {
        return " (a port is a number up to 65535)";
    }
    " (names are not looked up: give an IP address)"
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Udp(address) => write!(f, "udp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        for (text, expected) in [
            ("127.0.0.1:80", tcp("127.0.0.1:80")),
            ("[::]:80", tcp("[::]:80")),
            ("tcp://[::1]:0", tcp("[::1]:0")),
            ("udp://0.0.0.0:53", Address::Udp("0.0.0.0:53".parse().unwrap())),
            ("unix:/run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:///run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:x.sock", Address::Unix("x.sock".into())),
            ("unix:@x", Address::Unix("@x".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, expected) in [
            ("localhost:80", "names are not looked up"),
            ("127.0.0.1", "a port is missing"),
            (":80", "no IP address before the port"),
            ("127.0.0.1:65536", "a number up to 65535"),
            ("127.0.0.1:", "a number up to 65535"),
            ("::1:80", "in brackets"),
            ("/run/x.sock", "unix: stands before a path"),
            ("http://127.0.0.1:80", "begins with `http://`"),
            ("", "a port is missing"),
            ("unix:", "names no path"),
            ("unix:@", "names no path"),
            ("unix:/a\0b", "zero byte"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(text), "{text}: {error}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        assert!(long.parse::<Address>().unwrap_err().to_string().contains("107 bytes"));
        assert!(long[..long.len() - 1].parse::<Address>().is_ok());
    }

    #[test]
    fn only_a_path_is_a_file() {
        let file = |text: &str| text.parse::<Address>().unwrap().file().map(Path::to_owned);
        assert_eq!(file("unix:/run/x.sock"), Some("/run/x.sock".into()));
        assert_eq!(file("unix:@x"), None);
        assert_eq!(file("127.0.0.1:80"), None);
    }

    fn any_address() -> impl Strategy<Value = Address> {
        let v4 = any::<(Ipv4Addr, u16)>().prop_map(SocketAddr::from);
        let v6 = any::<(Ipv6Addr, u16, u32)>()
            .prop_map(|(ip, port, scope)| SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)));
        prop_oneof![
            v4.clone().prop_map(Address::Tcp),
            v6.clone().prop_map(Address::Tcp),
            prop_oneof![v4, v6].prop_map(Address::Udp),
            "[^\0]{1,24}"
                .prop_filter("no path", |path| path != "@")
                .prop_map(|path| Address::Unix(path.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_again(address in any_address()) {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = text.parse::<Address>();
        }
    }
}
