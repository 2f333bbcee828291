//! A request as a host lends it to a plugin.

use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::edit::RequestEdit;
use plugin_abi::{Address, Bytes, Header, SizeFirst, Text, address};

/// An HTTP request, complete with its body.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method in the case it was sent.
    pub method: &'a str,
    /// The path as it was sent, beginning with `/`.
    pub path: &'a str,
    /// What follows the `?`, if there is one.
    pub query: Option<&'a str>,
    /// The route under which the handler is mounted, if one was chosen.
    pub mount: Option<&'a str>,
    /// The version of HTTP it was sent in.
    pub version: HttpVersion,
    /// Who sent it, if that is known.
    pub peer: Option<SocketAddr>,
    /// Its fields.
    pub headers: RequestHeaders<'a>,
    /// Its whole body.
    pub body: &'a [u8],
}

/// The version of HTTP that a request was sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// The fields of a request, in the form that plugins are given.
#[derive(Clone, Debug, Default)]
pub struct RequestHeaders<'a> {
    fields: Vec<Header>,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> RequestHeaders<'a> {
    /// Appends a field; its name must be in lower case.
    pub fn push(&mut self, name: &'a str, value: &'a [u8]) {
        self.fields.push(Header { name: Text::new(name), value: Bytes::new(value) });
    }

    /// Removes all fields of that name.
    fn remove(&mut self, name: &str) {
        // SAFETY: the names are views of texts that are borrowed for `'a`.
        self.fields.retain(|field| unsafe { field.name.as_str() } != Ok(name));
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for RequestHeaders<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(fields: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

// SAFETY: the fields are views of bytes that are borrowed for `'a` and only read.
unsafe impl Send for RequestHeaders<'_> {}
// SAFETY: as above.
unsafe impl Sync for RequestHeaders<'_> {}

impl<'a> Request<'a> {
    /// The request as it is after a middleware's changes, carried out in their order.
    pub fn edited(&self, edits: &'a [RequestEdit]) -> Request<'a> {
        let mut request = self.clone();
        for edit in edits {
            match edit {
                RequestEdit::SetHeader(name, value) => {
                    request.headers.remove(name);
                    request.headers.push(name, value);
                }
                RequestEdit::AddHeader(name, value) => request.headers.push(name, value),
                RequestEdit::RemoveHeader(name) => request.headers.remove(name),
                RequestEdit::SetTarget(path, query) => {
                    request.path = path;
                    request.query = query.as_deref();
                }
                RequestEdit::SetPeer(peer) => request.peer = Some(*peer),
            }
        }
        request
    }

    /// The request in the contract's form; its views last as long as `self` is borrowed.
    #[inline]
    pub(crate) fn lend(&self) -> plugin_abi::Request {
        let optional = |text: Option<&str>| text.map_or(Text::ABSENT, Text::new);
        plugin_abi::Request {
            size: plugin_abi::Request::SIZE,
            http_version: match self.version {
                HttpVersion::Http10 => 10,
                HttpVersion::Http11 => 11,
                HttpVersion::Http2 => 20,
            },
            method: Text::new(self.method),
            path: Text::new(self.path),
            query: optional(self.query),
            mount: optional(self.mount),
            peer: self.peer.map_or(Address::UNKNOWN, from_socket_address),
            headers: self.headers.fields.as_ptr(),
            header_count: self.headers.fields.len(),
            body: Bytes::new(self.body),
        }
    }
}

#[inline]
pub(crate) fn from_socket_address(peer: SocketAddr) -> Address {
    match peer {
        SocketAddr::V4(peer) => Address::v4(peer.ip().octets(), peer.port()),
        SocketAddr::V6(peer) => Address::v6(peer.ip().octets(), peer.port(), peer.scope_id()),
    }
}

/// `None` if the address is of another family.
pub(crate) fn to_socket_address(address: &Address) -> Option<SocketAddr> {
    match address.family {
        address::FAMILY_IPV4 => {
            let [a, b, c, d, ..] = address.bytes;
            Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), address.port).into())
        }
        address::FAMILY_IPV6 => {
            let ip = Ipv6Addr::from(address.bytes);
            Some(SocketAddrV6::new(ip, address.port, 0, address.scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_carried_out_in_their_order() {
        let edits = [
            RequestEdit::AddHeader("a".into(), b"3".to_vec()),
            RequestEdit::SetHeader("b".into(), b"new".to_vec()),
            RequestEdit::RemoveHeader("c".into()),
            RequestEdit::SetTarget("/other".into(), None),
            RequestEdit::SetPeer("192.0.2.1:5".parse().unwrap()),
        ];
        let sent = [("a", "1"), ("b", "x"), ("A", "kept"), ("b", "y"), ("c", "z")];
        let request = Request {
            method: "GET",
            path: "/",
            query: Some("q"),
            mount: None,
            version: HttpVersion::Http11,
            peer: None,
            headers: sent.iter().map(|(name, value)| (*name, value.as_bytes())).collect(),
            body: b"body",
        };
        let edited = request.edited(&edits);
        // SAFETY: the views are of texts in this function.
        let fields: Vec<(&str, &[u8])> = edited
            .headers
            .fields
            .iter()
            .map(|field| unsafe { (field.name.as_str().unwrap(), field.value.as_slice().unwrap()) })
            .collect();
        assert_eq!(fields, [("a", &b"1"[..]), ("A", b"kept"), ("a", b"3"), ("b", b"new")]);
        assert_eq!((edited.path, edited.query), ("/other", None));
        assert_eq!(edited.peer.unwrap().to_string(), "192.0.2.1:5");
        assert_eq!((edited.method, edited.body, request.path), ("GET", &b"body"[..], "/"));
    }

    #[test]
    fn addresses_go_there_and_back() {
        for text in ["127.0.0.1:80", "[2001:db8::1]:443", "[fe80::1%3]:9"] {
            let peer: SocketAddr = text.parse().unwrap();
            assert_eq!(to_socket_address(&from_socket_address(peer)), Some(peer));
        }
        assert_eq!(to_socket_address(&Address::UNKNOWN), None);
    }
}
