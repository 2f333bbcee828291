//! What all connections of all workers share: the way of a request's body in, and of the whole request to the plugins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HeaderMap, TRANSFER_ENCODING};
use hyper::{Request, StatusCode, Version};
use plugin_host::HttpVersion;
use tokio::time::timeout;

use crate::chain::{Chain, refusal};
use crate::client_address::TrustedProxies;
use crate::options::Options;
use crate::stats::ServerStats;

/// A copy is the same service.
#[derive(Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    chain: Chain,
    stats: Arc<ServerStats>,
    proxies: TrustedProxies,
    body_limit: usize,
    body_timeout: Duration,
}

/// A request's body, whole.
pub(super) struct WholeBody {
    pub(super) bytes: Bytes,
    /// Whether no other request may follow on its connection.
    pub(super) ends_connection: bool,
}

impl Service {
    pub(crate) fn new(chain: Chain, stats: Arc<ServerStats>, options: &Options) -> Self {
        let shared = Shared {
            chain,
            stats,
            proxies: options.trusted_proxies.clone(),
            body_limit: options.body_limit,
            body_timeout: options.read_timeout,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(super) fn stats(&self) -> &ServerStats {
        &self.shared.stats
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

    /// The plugins' answer to a request with this whole `body`, unless making it may take long and would hold up what else this
    /// thread serves.
    pub(super) fn respond_at_once<B>(
        &self,
        client: SocketAddr,
        request: &Request<B>,
        body: &[u8],
    ) -> Option<plugin_host::Response> {
        self.shared.chain.answer_unless_it_may_block(&lend(client, request, body))
    }

    /// The plugins' answer, made on a thread that may block if it may take long.
    pub(super) async fn respond(&self, client: SocketAddr, request: Request<Bytes>) -> plugin_host::Response {
        if let Some(answer) = self.respond_at_once(client, &request, request.body()) {
            return answer;
        }
        let chain = self.shared.chain.clone();
        let answer =
            tokio::task::spawn_blocking(move || chain.answer(&lend(client, &request, request.body())));
        // The task ends early only when the runtime does.
        answer.await.unwrap_or_else(|_| refusal(503))
    }
}

/// The request in the form in which plugins are shown it.
fn lend<'a, B>(client: SocketAddr, request: &'a Request<B>, body: &'a [u8]) -> plugin_host::Request<'a> {
    plugin_host::Request {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        mount: None,
        version: match request.version() {
            Version::HTTP_10 => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        },
        peer: Some(client),
        headers: request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        body,
    }
}
