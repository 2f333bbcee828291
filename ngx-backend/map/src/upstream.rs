//! Where requests go, as far as nginx can use it without asking anybody.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

/// Most bytes of a socket's path: `sun_path` of unix(7) has 108 with the NUL behind it.
pub const LONGEST_SOCKET_PATH: usize = 107;

/// Where an upstream listens: `192.0.2.1:80`, `[2001:db8::1]:80` or `unix:/run/app.sock`.
///
/// nginx's `proxy_pass` with a variable looks names up only where a `resolver` is configured, and answers 502 without one; so
/// names are none here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpstreamAddress {
    /// An IP address and a port above 0.
    Ip(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(String),
}

/// One server that serves a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Where it listens.
    pub address: UpstreamAddress,
    /// Its share of the requests relative to the other upstreams of the host.
    pub weight: NonZeroU16,
}

/// Why something is no address that nginx could use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing is there.
    #[error("it is empty; write IPV4:PORT, [IPV6]:PORT or unix:/PATH")]
    Empty,
    /// `http://…`
    #[error("it is a URL; write only its address and port")]
    Url,
    /// A host name.
    #[error("`{0}` is a name, and nginx would need a resolver to look it up; write its IP address")]
    Name(String),
    /// An IP address alone.
    #[error("it has no port; write {0}")]
    NoPort(String),
    /// Port 0, above 65535, or none at all.
    #[error("`{0}` is no port; write a number from 1 to 65535")]
    Port(String),
    /// An IPv6 address with a colon and no brackets.
    #[error("write an IPv6 address in brackets, as in [2001:db8::1]:80")]
    NoBrackets,
    /// `%eth0`
    #[error("it has a zone (`%`), which nginx cannot use")]
    Zone,
    /// An address that no connection can be made to.
    #[error("nobody can be connected to at {0}")]
    NotConnectable(IpAddr),
    /// A relative path of a socket.
    #[error("the path of its socket does not begin with `/`")]
    RelativePath,
    /// See [`LONGEST_SOCKET_PATH`].
    #[error(
        "the path of its socket has {0} bytes; at most {LONGEST_SOCKET_PATH} fit into an address (unix(7))"
    )]
    LongPath(usize),
    /// A character that nginx would misread.
    #[error("the path of its socket has the character {0:?}, which nginx would misread")]
    PathCharacter(char),
    /// Something else.
    #[error("`{0}` is no address; write IPV4:PORT, [IPV6]:PORT or unix:/PATH")]
    NoAddress(String),
}

impl FromStr for UpstreamAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<UpstreamAddress, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.contains("://") {
            return Err(AddressError::Url);
        }
        match text.strip_prefix("unix:") {
            Some(path) => UpstreamAddress::unix(path),
            None => match text.parse() {
                Ok(address) => UpstreamAddress::ip(address),
                Err(_) => Err(wrong(text)),
            },
        }
    }
}

impl UpstreamAddress {
    /// Checks an IP address and port.
    ///
    /// # Errors
    /// If nobody can listen there, or nginx cannot say it.
    pub fn ip(address: SocketAddr) -> Result<UpstreamAddress, AddressError> {
        let ip = address.ip();
        let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if ip.is_unspecified() || ip.is_multicast() || is_broadcast {
            return Err(AddressError::NotConnectable(ip));
        }
        if matches!(address, SocketAddr::V6(address) if address.scope_id() != 0 || address.flowinfo() != 0) {
            return Err(AddressError::Zone);
        }
        match address.port() {
            0 => Err(AddressError::Port("0".to_owned())),
            _ => Ok(UpstreamAddress::Ip(address)),
        }
    }

    /// Checks the path of a socket.
    ///
    /// # Errors
    /// If it does not fit into an address, or nginx would read it as something else: it takes a colon for the end of the path, and
    /// a variable in `proxy_pass` is cut at spaces and control characters.
    pub fn unix(path: &str) -> Result<UpstreamAddress, AddressError> {
        if !path.starts_with('/') {
            return Err(AddressError::RelativePath);
        }
        if path.len() > LONGEST_SOCKET_PATH {
            return Err(AddressError::LongPath(path.len()));
        }
        match path.chars().find(|character| !is_plain(*character)) {
            Some(character) => Err(AddressError::PathCharacter(character)),
            None => Ok(UpstreamAddress::Unix(path.to_owned())),
        }
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_graphic() && !matches!(character, ':' | '?' | '#' | '%' | '"' | '\\' | '$' | ';')
}

/// What exactly is wrong with what is no address.
fn wrong(text: &str) -> AddressError {
    if text.contains('%') {
        return AddressError::Zone;
    }
    if let Ok(ip) = text.trim_matches(|bracket| matches!(bracket, '[' | ']')).parse::<IpAddr>() {
        return AddressError::NoPort(SocketAddr::new(ip, 80).to_string());
    }
    let Some((host, port)) = text.rsplit_once(':') else { return AddressError::Name(text.to_owned()) };
    let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>();
    match (ip, port.parse::<u16>()) {
        (Ok(IpAddr::V6(_)), Ok(_)) => AddressError::NoBrackets,
        (Ok(_), Err(_)) => AddressError::Port(port.to_owned()),
        (Err(_), Ok(_)) if crate::Host::parse(host.as_bytes()).is_ok() => AddressError::Name(host.to_owned()),
        _ => AddressError::NoAddress(text.to_owned()),
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamAddress::Ip(address) => address.fmt(f),
            UpstreamAddress::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nginx_can_use_are_taken() {
        for (text, shown) in [
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:DB8::1]:8080", "[2001:db8::1]:8080"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(text.parse::<UpstreamAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_nginx_could_not_use_is_refused_with_the_reason() {
        let long = format!("unix:/{}", "a".repeat(107));
        for (text, part) in [
            ("", "it is empty"),
            ("localhost:3000", "`localhost` is a name, and nginx would need a resolver"),
            ("app", "`app` is a name"),
            ("http://192.0.2.1:80", "it is a URL"),
            ("192.0.2.1", "it has no port; write 192.0.2.1:80"),
            ("::1", "it has no port; write [::1]:80"),
            ("[::1]", "it has no port; write [::1]:80"),
            ("2001:db8::1:2:3:4:5:6:7", "is no address"),
            ("192.0.2.1:0", "`0` is no port"),
            ("192.0.2.1:65536", "`65536` is no port"),
            ("192.0.2.1:http", "`http` is no port"),
            ("[fe80::1%1]:80", "has a zone"),
            ("[fe80::1%eth0]:80", "has a zone"),
            ("0.0.0.0:80", "nobody can be connected to at 0.0.0.0"),
            ("[::]:80", "nobody can be connected to at ::"),
            ("224.0.0.1:80", "nobody can be connected to"),
            ("255.255.255.255:80", "nobody can be connected to"),
            ("010.0.0.1:80", "is no address"),
            ("unix:run/app", "does not begin with `/`"),
            ("unix:", "does not begin with `/`"),
            ("unix:/run/a:b", "the character ':'"),
            ("unix:/run/a b", "the character ' '"),
            ("unix:/run/a\n", "the character '\\n'"),
            (long.as_str(), "has 108 bytes"),
            ("192.0.2.1:80/path", "is no"),
        ] {
            let error = text.parse::<UpstreamAddress>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
