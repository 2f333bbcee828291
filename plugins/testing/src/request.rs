//! Requests, written down shortly.

use std::net::SocketAddr;

use plugin_host::{HttpVersion, Request};

/// A request that owns its parts: `GET /` from 192.0.2.1 unless it is said otherwise.
#[derive(Clone, Debug)]
pub struct TestRequest {
    method: String,
    peer: Option<SocketAddr>,
    headers: Vec<(String, Vec<u8>)>,
}

impl TestRequest {
    /// `GET /` from 192.0.2.1, with these fields; names in lower case.
    pub fn get(headers: &[(&str, &str)]) -> Self {
        Self::new("GET", headers)
    }

    /// The same with another method.
    pub fn new(method: &str, headers: &[(&str, &str)]) -> Self {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Self { method: method.to_owned(), peer: Some(SocketAddr::from(([192, 0, 2, 1], 40_000))), headers }
    }

    /// From this sender, or from nobody who is known.
    pub fn from(self, peer: Option<SocketAddr>) -> Self {
        Self { peer, ..self }
    }

    /// In the form that a host lends.
    pub fn lend(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: "/",
            query: None,
            mount: None,
            version: HttpVersion::Http11,
            peer: self.peer,
            headers: self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect(),
            body: &[],
        }
    }
}
