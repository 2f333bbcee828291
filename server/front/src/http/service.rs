//! What all connections of all workers share: the application, and the way of a request's body to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderMap, TRANSFER_ENCODING};
use tokio::time::timeout;

use crate::client_address::TrustedProxies;
use crate::settings::{ClientGone, Settings};
use crate::stats::ServerStats;

/// A copy is the same service.
pub(super) struct Service<A> {
    shared: Arc<Shared<A>>,
}

struct Shared<A> {
    application: A,
    stats: Arc<ServerStats>,
    proxies: TrustedProxies,
    body_limit: usize,
    body_timeout: Duration,
    client_gone: ClientGone,
}

/// A request's body, whole.
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    /// Whether no other request may follow on its connection.
    pub(super) ends_connection: bool,
}

impl<A> Clone for Service<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A> Service<A> {
    pub(super) fn new(application: A, stats: Arc<ServerStats>, settings: &Settings) -> Self {
        let shared = Shared {
            application,
            stats,
            proxies: settings.trusted_proxies.clone(),
            body_limit: settings.body_limit,
            body_timeout: settings.read_timeout,
            client_gone: settings.client_gone,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn application(&self) -> &A {
        &self.shared.application
    }

    pub(super) fn stats(&self) -> &ServerStats {
        &self.shared.stats
    }

    /// Whether an answer is of no use once its client sends no more.
    pub(super) fn abandons(&self) -> bool {
        self.shared.client_gone == ClientGone::Abandon
    }

    /// Who sent a request that came over a connection of `peer`.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        self.shared.proxies.client(peer, headers)
    }

    /// Reads the body of the request with these headers.
    ///
    /// # Errors
    /// The status to answer, if it is too large, too slow or malformed.
    pub(super) async fn read_body(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<WholeBody, StatusCode> {
        if body.is_end_stream() {
            return Ok(WholeBody { bytes: Bytes::new(), ends_connection: false });
        }
        // A declared length is refused before a byte of it is read.
        if body.size_hint().lower() > self.shared.body_limit as u64 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let whole = Limited::new(body, self.shared.body_limit).collect();
        let bytes = match timeout(self.shared.body_timeout, whole).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => return Err(StatusCode::BAD_REQUEST),
            Err(_) => return Err(StatusCode::REQUEST_TIMEOUT),
        };
        // RFC 9112, section 6.3: where a length is given beside the chunks, the connection ends with the request, for somebody on
        // the way may have believed the length. hyper goes by the chunks and does not tell whether there was a length.
        Ok(WholeBody { bytes, ends_connection: headers.contains_key(TRANSFER_ENCODING) })
    }
}
