//! Handlers: a request in, a response out.

use crate::{Error, Plugin};
use plugin_abi::view::array;
use plugin_abi::{address, sized, Address, Bytes, Header, ResponseSink, Status, Text};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A plugin that answers requests.
pub trait Handler: Plugin {
    /// Where it wants to be mounted. A route that ends in `/` takes every path that begins with it; any other takes only
    /// itself. That it begins with `/` is checked when the plugin is compiled.
    const ROUTE: &'static str;

    /// The methods it answers, at least one. The host answers `HEAD` from `GET`.
    const METHODS: &'static [Method];

    /// Answers one request: 200 with an empty body unless it says otherwise. Called by many threads at once; may block.
    ///
    /// # Errors
    /// The client gets 500, the message goes to the host's log.
    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error>;
}

/// A method of HTTP.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Method(Text);

impl Method {
    /// Read.
    pub const GET: Method = Method::new("GET");
    /// Create, or do something.
    pub const POST: Method = Method::new("POST");
    /// Replace.
    pub const PUT: Method = Method::new("PUT");
    /// Change a part.
    pub const PATCH: Method = Method::new("PATCH");
    /// Remove.
    pub const DELETE: Method = Method::new("DELETE");
    /// Ask what is possible.
    pub const OPTIONS: Method = Method::new("OPTIONS");

    /// The method with that name, which is case-sensitive.
    pub const fn new(name: &'static str) -> Method {
        Method(Text::new(name))
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: it was made from a `&'static str`.
        f.write_str(unsafe { self.0.as_str() }.unwrap_or_default())
    }
}

/// A request, complete with its body.
///
/// Texts are checked when they are asked for, so that a handler pays for what it uses.
#[derive(Debug)]
pub struct Request<'a> {
    raw: &'a plugin_abi::Request,
}

impl<'a> Request<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to a request that keeps to the contract and stays unchanged during `'a`.
    #[inline]
    pub(crate) unsafe fn read(raw: *const plugin_abi::Request) -> Result<Request<'a>, Error> {
        // SAFETY: the caller's promise.
        let raw: &'a plugin_abi::Request =
            unsafe { sized::borrow_sized(raw) }.map_err(|error| Error::size("request", error))?;
        // The two views that are used without a further check.
        // SAFETY: views in a request that keeps to the contract.
        unsafe { array(raw.headers, raw.header_count) }.map_err(|error| Error::view("headers", error))?;
        // SAFETY: as above.
        unsafe { raw.body.as_slice() }.map_err(|error| Error::view("body", error))?;
        Ok(Request { raw })
    }

    fn text(&self, what: &str, text: Text) -> Result<&'a str, Error> {
        // SAFETY: a view in a request that keeps to the contract.
        unsafe { text.as_str() }.map_err(|error| Error::view(what, error))
    }

    /// Version of HTTP times ten: 10, 11, 20.
    pub fn http_version(&self) -> u32 {
        self.raw.http_version
    }

    /// Method in the case it was sent.
    ///
    /// # Errors
    /// If the host passed something else than UTF-8; so for all texts.
    pub fn method(&self) -> Result<&'a str, Error> {
        self.text("method", self.raw.method)
    }

    /// Path as it was sent, percent-encoding kept.
    ///
    /// # Errors
    /// As [`method`](Request::method).
    pub fn path(&self) -> Result<&'a str, Error> {
        self.text("path", self.raw.path)
    }

    /// What follows the `?` of the target, `None` if there is no `?`.
    ///
    /// # Errors
    /// As [`method`](Request::method).
    pub fn query(&self) -> Result<Option<&'a str>, Error> {
        if self.raw.query.is_absent() {
            return Ok(None);
        }
        self.text("query", self.raw.query).map(Some)
    }

    /// Route under which the host mounted the handler; empty before routing.
    ///
    /// # Errors
    /// As [`method`](Request::method).
    pub fn mount(&self) -> Result<&'a str, Error> {
        self.text("mount", self.raw.mount)
    }

    /// Address and port of the peer as the contract has it.
    pub fn peer(&self) -> Address {
        self.raw.peer
    }

    /// IP address of the peer, `None` for unix sockets and where it is not known.
    pub fn peer_ip(&self) -> Option<IpAddr> {
        let peer = &self.raw.peer;
        let [a, b, c, d, ..] = peer.bytes;
        match peer.family {
            address::FAMILY_IPV4 => Some(Ipv4Addr::new(a, b, c, d).into()),
            address::FAMILY_IPV6 => Some(Ipv6Addr::from(peer.bytes).into()),
            _ => None,
        }
    }

    /// The headers in the order they were sent: names in lower case, values as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: an array in a request that keeps to the contract, checked by `read`.
        headers(unsafe { array(self.raw.headers, self.raw.header_count) }.unwrap_or_default())
    }

    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(present, _)| *present == name.as_bytes()).map(|(_, value)| value)
    }

    /// The whole body.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        // SAFETY: a view in a request that keeps to the contract, checked by `read`.
        unsafe { self.raw.body.as_slice() }.unwrap_or_default()
    }
}

/// Names and values of headers that keep to the contract. A view that cannot be one is empty.
pub(crate) fn headers(headers: &[Header]) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().map(|header| {
        let name = Bytes { ptr: header.name.ptr, len: header.name.len };
        // SAFETY: views in a structure that keeps to the contract.
        unsafe { (name.as_slice().unwrap_or_default(), header.value.as_slice().unwrap_or_default()) }
    })
}

/// Takes the parts of a response. What HTTP forbids is refused at once, as an error.
#[derive(Debug)]
pub struct Response<'a> {
    sink: &'a ResponseSink,
}

impl<'a> Response<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to a sink that keeps to the contract during `'a`.
    #[inline]
    pub(crate) unsafe fn read(sink: *const ResponseSink) -> Result<Response<'a>, Error> {
        // SAFETY: the caller's promise.
        let sink = unsafe { sized::borrow_sized(sink) }.map_err(|error| Error::size("response", error))?;
        Ok(Response { sink })
    }

    /// Sets the status code, 200 to 599. The last call counts; without one it is 200.
    ///
    /// # Errors
    /// If the code is out of range.
    pub fn set_status(&mut self, status: u16) -> Result<(), Error> {
        let set_status = self.sink.set_status.ok_or_else(|| unsupported("set_status"))?;
        // SAFETY: the sink keeps to the contract.
        accepted("the response's status", unsafe { set_status(self.sink.context, u32::from(status)) })
    }

    /// Adds a header. Those of the connection and `content-length` are the host's.
    ///
    /// # Errors
    /// If name or value are not what HTTP allows.
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let add_header = self.sink.add_header.ok_or_else(|| unsupported("add_header"))?;
        // SAFETY: the sink keeps to the contract; both views outlive the call.
        let status = unsafe { add_header(self.sink.context, Text::new(name), Bytes::new(value.as_ref())) };
        accepted("a header of the response", status)
    }

    /// Appends to the body.
    ///
    /// # Errors
    /// If the host takes no body this long, or the client is gone: pass it on with `?`.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let write_body = self.sink.write_body.ok_or_else(|| unsupported("write_body"))?;
        // SAFETY: the sink keeps to the contract; the view outlives the call.
        accepted("the response's body", unsafe { write_body(self.sink.context, Bytes::new(chunk)) })
    }

    /// Answers with a body of that content type.
    ///
    /// # Errors
    /// As [`add_header`](Response::add_header) and [`write`](Response::write).
    pub fn send(&mut self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        self.add_header("content-type", content_type)?;
        self.write(body)
    }
}

/// What the host said to something that was put into one of its sinks.
pub(crate) fn accepted(what: &str, status: Status) -> Result<(), Error> {
    if status.is_failure() {
        return Err(Error::with_status(status, format!("the host does not take {what}: {status}")));
    }
    Ok(())
}

pub(crate) fn unsupported(function: &str) -> Error {
    Error::with_status(Status::UNSUPPORTED, format!("the host has no {function}"))
}
