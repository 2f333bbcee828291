//! The name that a client asks for, in the one form in which it is looked up.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Most characters of a name (RFC 1035, section 2.3.4: 255 octets on the wire, which are 253 in writing).
pub const LONGEST_HOST: usize = 253;
/// Most characters between two dots (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A host name or address: ASCII in lower case, no port, no dot at the end; an IPv6 address in brackets and in the form of RFC 5952.
///
/// Names in other scripts are taken as punycode (`xn--…`, RFC 5891) only, as browsers send them: translating is left to whoever
/// types them, because its rules differ by version. Labels may hold `_` and begin or end with `-`, which RFC 1123 forbids and
/// clients ask for all the same.
#[derive(Clone, Copy)]
pub struct Host {
    length: u8,
    bytes: [u8; LONGEST_HOST],
}

/// Why something is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing is left of it.
    #[error("it is empty; a request without a host has no entry")]
    Empty,
    /// See [`LONGEST_HOST`].
    #[error("it has {0} characters; a name has at most {LONGEST_HOST} (RFC 1035)")]
    TooLong(usize),
    /// Two dots beside each other, or one at the beginning.
    #[error("there is nothing between two of its dots, or before the first")]
    EmptyLabel,
    /// See RFC 1035.
    #[error("`{0}` has {length} characters; between dots there are at most {LONGEST_LABEL} (RFC 1035)", length = .0.len())]
    LongLabel(String),
    /// A byte above 127.
    #[error("it is not ASCII; write names of other scripts as punycode, beginning with xn--")]
    NotAscii,
    /// A byte that no name has.
    #[error("it has the character {0:?}; a name has letters, digits, `-`, `_` and dots, and behind it perhaps `:PORT`")]
    Character(char),
    /// A star where none may be.
    #[error("it has a star in the wrong place; only a whole first label may be one, as in *.example.com, or all of it")]
    Star,
    /// More than one colon without brackets.
    #[error("it has several colons; write an IPv6 address in brackets")]
    NoBrackets,
    /// Something in brackets that is no IPv6 address.
    #[error("what is in its brackets is no IPv6 address without a zone")]
    NotIpv6,
    /// Digits at the end that are not those of an address.
    #[error("it ends in a number and is no IPv4 address of four numbers")]
    NotIpv4,
    /// What stands behind the colon.
    #[error("what follows its colon is no port")]
    Port,
}

impl Host {
    /// Reads the value of a `Host` field (RFC 9110, section 7.2), or what an operator wrote for it. Allocates nothing
    /// unless it fails.
    ///
    /// # Errors
    /// [`HostError`] that names what is wrong and the cure.
    pub fn parse(text: &[u8]) -> Result<Host, HostError> {
        if let Some(host) = plain_name(text) {
            return Ok(host);
        }
        if text.first() == Some(&b'[') {
            return parse_ipv6(text);
        }
        let name = match text.iter().position(|byte| *byte == b':') {
            None => text,
            Some(colon) => {
                let port = text.get(colon + 1..).unwrap_or_default();
                if port.contains(&b':') {
                    return Err(HostError::NoBrackets);
                }
                check_port(port)?;
                text.get(..colon).unwrap_or_default()
            }
        };
        parse_name(name.strip_suffix(b".").unwrap_or(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put there.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name as bytes, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether it is an IP address, which no wildcard covers.
    pub fn is_address(&self) -> bool {
        let bytes = self.as_bytes();
        // A name that ends in a digit may still be one, such as `a.b1`.
        bytes.first() == Some(&b'[')
            || (bytes.last().is_some_and(u8::is_ascii_digit) && ends_in_a_number(bytes))
    }

    /// The suffixes that a wildcard may be of, with their dot in front, longest first: of `a.b.c` these are `.b.c` and `.c`.
    pub fn suffixes(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = if self.is_address() { &[] } else { self.as_bytes() };
        (0..bytes.len())
            .filter(move |at| bytes.get(*at) == Some(&b'.'))
            .map(move |at| bytes.get(at..).unwrap_or_default())
    }

    fn empty() -> Host {
        Host { length: 0, bytes: [0; LONGEST_HOST] }
    }

    fn push(&mut self, byte: u8) -> Result<(), HostError> {
        let at = usize::from(self.length);
        *self.bytes.get_mut(at).ok_or(HostError::TooLong(at + 1))? = byte;
        self.length += 1;
        Ok(())
    }
}

/// What names are made of, in lower case; 0 for all else.
const NAME_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            bytes[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    bytes
};

/// Reads what nearly all clients send, a name without port, in one go, as it is looked up for each request. Not all that is right.
fn plain_name(text: &[u8]) -> Option<Host> {
    let mut host = Host::empty();
    let mut label = 0;
    for (to, byte) in host.bytes.get_mut(..text.len())?.iter_mut().zip(text) {
        *to = NAME_BYTES[usize::from(*byte)];
        match *to {
            0 => return None,
            b'.' if label == 0 || label > LONGEST_LABEL => return None,
            b'.' => label = 0,
            _ => label += 1,
        }
    }
    host.length = text.len() as u8;
    // What ends in a digit may be an address.
    let is_whole = label > 0 && label <= LONGEST_LABEL && !text.last()?.is_ascii_digit();
    is_whole.then_some(host)
}

fn parse_name(name: &[u8]) -> Result<Host, HostError> {
    match name.len() {
        0 => return Err(HostError::Empty),
        length if length > LONGEST_HOST => return Err(HostError::TooLong(length)),
        _ => {}
    }
    let mut host = Host::empty();
    let mut label = 0;
    for (at, byte) in name.iter().enumerate() {
        match byte {
            b'.' if label == 0 => return Err(HostError::EmptyLabel),
            b'.' => {
                check_label(name, at, label)?;
                label = 0;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => label += 1,
            b'*' => return Err(HostError::Star),
            0x80.. => return Err(HostError::NotAscii),
            other => return Err(HostError::Character(char::from(*other))),
        }
        host.push(byte.to_ascii_lowercase())?;
    }
    if label == 0 {
        return Err(HostError::EmptyLabel);
    }
    check_label(name, name.len(), label)?;
    if ends_in_a_number(name) && host.as_str().parse::<Ipv4Addr>().is_err() {
        return Err(HostError::NotIpv4);
    }
    Ok(host)
}

/// The label of `length` characters that ends before `end`.
fn check_label(name: &[u8], end: usize, length: usize) -> Result<(), HostError> {
    if length <= LONGEST_LABEL {
        return Ok(());
    }
    let label = name.get(end - length..end).unwrap_or_default();
    Err(HostError::LongLabel(String::from_utf8_lossy(label).into_owned()))
}

/// No top-level domain is a number (RFC 3696, section 2), so such a name can only be meant as an address.
fn ends_in_a_number(name: &[u8]) -> bool {
    name.rsplit(|byte| *byte == b'.').next().is_some_and(|last| last.iter().all(u8::is_ascii_digit))
}

fn parse_ipv6(text: &[u8]) -> Result<Host, HostError> {
    let end = text.iter().position(|byte| *byte == b']').ok_or(HostError::NotIpv6)?;
    match text.get(end + 1..).unwrap_or_default() {
        [] => {}
        [b':', port @ ..] => check_port(port)?,
        _ => return Err(HostError::Port),
    }
    let address: Ipv6Addr = text
        .get(1..end)
        .and_then(|inside| std::str::from_utf8(inside).ok())
        .and_then(|inside| inside.parse().ok())
        .ok_or(HostError::NotIpv6)?;
    let mut host = Host::empty();
    // An address has at most 41 characters with its brackets.
    write!(Writer(&mut host), "[{address}]").map_err(|_| HostError::NotIpv6)?;
    Ok(host)
}

/// RFC 3986, section 3.2.3, allows an empty one.
fn check_port(port: &[u8]) -> Result<(), HostError> {
    let is_port = port.iter().all(u8::is_ascii_digit)
        && (port.is_empty()
            || std::str::from_utf8(port).ok().and_then(|port| port.parse::<u16>().ok()).is_some());
    is_port.then_some(()).ok_or(HostError::Port)
}

struct Writer<'a>(&'a mut Host);

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().try_for_each(|byte| self.0.push(byte)).map_err(|_| fmt::Error)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Host {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form() {
        for (text, host) in [
            ("example.com", "example.com"),
            ("A.com", "a.com"),
            ("a.com:80", "a.com"),
            ("a.com:", "a.com"),
            ("a.com.", "a.com"),
            ("a.com.:8080", "a.com"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_x.-a-.example", "_x.-a-.example"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[::1]", "[::1]"),
            ("[::1]:8080", "[::1]"),
            ("[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]"),
            ("a.b1", "a.b1"),
        ] {
            assert_eq!(Host::parse(text.as_bytes()).unwrap().as_str(), host, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_told_why() {
        let long = "a".repeat(64);
        let longest = format!("{}.com", vec!["a".repeat(63); 4].join("."));
        for (text, expected) in [
            ("", HostError::Empty),
            (".", HostError::Empty),
            (":80", HostError::Empty),
            ("a..b", HostError::EmptyLabel),
            (".a", HostError::EmptyLabel),
            ("a.com..", HostError::EmptyLabel),
            ("bücher.example", HostError::NotAscii),
            ("a/b", HostError::Character('/')),
            ("a b", HostError::Character(' ')),
            ("user@a", HostError::Character('@')),
            ("a\0", HostError::Character('\0')),
            ("*.a", HostError::Star),
            ("::1", HostError::NoBrackets),
            ("[::1", HostError::NotIpv6),
            ("[fe80::1%eth0]", HostError::NotIpv6),
            ("[a]", HostError::NotIpv6),
            ("[::1]80", HostError::Port),
            ("a:b", HostError::Port),
            ("a:65536", HostError::Port),
            ("a:+80", HostError::Port),
            ("1.2.3", HostError::NotIpv4),
            ("1.2.3.256", HostError::NotIpv4),
            ("a.1", HostError::NotIpv4),
            (long.as_str(), HostError::LongLabel(long.clone())),
            (longest.as_str(), HostError::TooLong(longest.len())),
        ] {
            assert_eq!(Host::parse(text.as_bytes()), Err(expected), "{text}");
        }
        assert_eq!(Host::parse(b"\xff"), Err(HostError::NotAscii));
        let fits = format!("{}.{}", vec!["a".repeat(63); 3].join("."), "b".repeat(61));
        assert_eq!(Host::parse(fits.as_bytes()).unwrap().as_bytes().len(), LONGEST_HOST);
    }

    proptest::proptest! {
        /// Reading in one go is only faster.
        #[test]
        fn a_name_read_in_one_go_is_the_same(text in "[a-cA-C0-9_.:*\\[\\]-]{0,12}|([a-z0-9]{1,64}\\.?){1,6}") {
            if let Some(host) = plain_name(text.as_bytes()) {
                proptest::prop_assert_eq!(parse_name(text.as_bytes()), Ok(host));
            }
        }
    }

    #[test]
    fn most_names_are_read_in_one_go() {
        for (text, is_plain) in
            [("www.Example.com", true), ("a", true), ("a.com:80", false), ("a.com.", false)]
        {
            assert_eq!(plain_name(text.as_bytes()).is_some(), is_plain, "{text}");
        }
    }

    #[test]
    fn suffixes_go_from_long_to_short_and_addresses_have_none() {
        let suffixes = |text: &str| {
            let host = Host::parse(text.as_bytes()).unwrap();
            let list: Vec<_> =
                host.suffixes().map(|suffix| String::from_utf8(suffix.to_vec()).unwrap()).collect();
            list
        };
        assert_eq!(suffixes("a.b.c"), [".b.c", ".c"]);
        for text in ["localhost", "192.0.2.1", "[::ffff:192.0.2.1]"] {
            assert_eq!(suffixes(text), [""; 0], "{text}");
        }
    }
}
