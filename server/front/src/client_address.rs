//! Who sent a request that came through proxies. Pure.
//!
//! Each proxy appends the address it got the request from, so the field reads from the client on the left to the nearest
//! proxy's caller on the right. Whatever a client wrote into it itself stands further left than what a proxy says of that client. So it
//! is read from the right, as long as those who speak are trusted, and the first address that is not is the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use hyper::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;

/// Whose word is taken, and where it stands.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    field: ForwardedField,
}

/// The field that trusted proxies write. Only one is read: a proxy that writes one hands on the other as the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedField {
    /// `X-Forwarded-For`: addresses, separated by commas.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239, its parameter `for`.
    Forwarded,
}

impl TrustedProxies {
    /// Proxies of these networks, which write this field. Without networks nobody's word is taken.
    pub fn new(networks: Vec<IpNet>, field: ForwardedField) -> Self {
        Self { networks, field }
    }

    /// Who sent a request with these headers, which came over a connection of `peer`; with port 0 if the port is not known.
    ///
    /// If what a trusted proxy wrote cannot be read, or is no address, that proxy is the answer: nothing left of it is better known.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if self.networks.is_empty() || !self.trusts(peer.ip()) {
            return peer;
        }
        let mut nearest = peer;
        // Lines of one field are one list (RFC 9110, section 5.3).
        for line in headers.get_all(self.field.name()).iter().rev() {
            for hop in self.field.hops(line.as_bytes()) {
                let Some(hop) = hop else { return nearest };
                nearest = hop;
                if !self.trusts(hop.ip()) {
                    return nearest;
                }
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

impl ForwardedField {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => FORWARDED,
        }
    }

    /// The addresses in a line from right to left; none for one that cannot be read.
    fn hops(self, line: &[u8]) -> impl Iterator<Item = Option<SocketAddr>> {
        elements_from_right(line, self == Self::Forwarded).map(move |element| {
            let text = std::str::from_utf8(element).ok()?;
            match self {
                Self::XForwardedFor => parse_node(text),
                Self::Forwarded => parse_node(&parameter_for(text)?),
            }
        })
    }
}

impl FromStr for ForwardedField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("use x-forwarded-for or forwarded".to_owned()),
        }
    }
}

/// The elements of a list, the last first; empty ones are left out (RFC 9110, section 5.6.1). Commas between quotes, if they count, do not
/// separate.
///
/// Quotes are paired from the right as well. A client that opens one and never closes it would otherwise swallow what the proxy appended.
fn elements_from_right(line: &[u8], quotes: bool) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        loop {
            let line = rest?;
            let comma = last_comma(line, quotes);
            rest = comma.map(|at| &line[..at]);
            let element = line[comma.map_or(0, |at| at + 1)..].trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

fn last_comma(line: &[u8], quotes: bool) -> Option<usize> {
    let mut quoted = false;
    for at in (0..line.len()).rev() {
        match line[at] {
            b'"' if quotes => {
                // A quote inside of quotes has a backslash before it, which has none, or two of them, and so on.
                let backslashes = line[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                if !quoted || backslashes % 2 == 0 {
                    quoted = !quoted;
                }
            }
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The value of the parameter `for`, if the element is well-formed and has it once. RFC 7239, section 4.
///
/// More lenient in one point: a value that has to be quoted for its colons or brackets may come without quotes.
fn parameter_for(element: &str) -> Option<String> {
    let mut found = None;
    let mut rest = element;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return found;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        if value.contains('"') || !(after.trim_start().is_empty() || after.trim_start().starts_with(';')) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
        rest = after;
    }
}

/// A quoted text whose first quote is taken away already, and what follows it. RFC 9110, section 5.6.4.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(letters.next()?.1),
            letter => value.push(letter),
        }
    }
    None
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
/// What hides the address (`unknown`, `_hidden`) is none; a port that is hidden is unknown.
fn parse_node(text: &str) -> Option<SocketAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(SocketAddr::new(address.to_canonical(), parse_port(port)?));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address.to_canonical(), 0));
    }
    let colon = text.find(':')?;
    let (address, port) = text.split_at(colon);
    Some(SocketAddr::new(IpAddr::V4(address.parse().ok()?), parse_port(port)?))
}

/// What follows an address: nothing, or a colon and a port.
fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() {
        return Some(0);
    }
    let port = text.strip_prefix(':')?;
    match port.strip_prefix('_') {
        Some(hidden) if !hidden.is_empty() => {
            hidden.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)).then_some(0)
        }
        _ => port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?,
    }
}

#[cfg(test)]
mod tests;
