//! One request in, one response out: reads the body, asks the plugins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use plugin_host::HttpVersion;
use tokio::time::timeout;

use crate::chain::{Chain, refusal};
use crate::options::Options;

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    chain: Chain,
    body_limit: usize,
    body_timeout: Duration,
}

impl Service {
    pub(crate) fn new(chain: Chain, options: &Options) -> Self {
        let shared = Shared { chain, body_limit: options.body_limit, body_timeout: options.read_timeout };
        Self { shared: Arc::new(shared) }
    }

    /// The answer to one request of `peer`. Never an error: each has a status of its own.
    pub(crate) async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let head_only = request.method() == Method::HEAD;
        let answer = self.respond(peer, request).await.unwrap_or_else(|status| refusal(status.as_u16()));
        let mut response = to_http(answer);
        if head_only {
            // RFC 9110, section 9.3.2: the fields as for GET, the content's length among them.
            let length = response.body().size_hint().exact().unwrap_or(0);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            *response.body_mut() = Full::default();
        }
        response
    }

    /// The plugins' answer, or the status of a request that never came to them.
    async fn respond(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<plugin_host::Response, StatusCode> {
        let (head, body) = request.into_parts();
        let body = self.read_body(body).await?;
        let chain = &self.shared.chain;
        let may_block = chain.may_block(head.method.as_str(), head.uri.path());
        let request = Arrived { peer, head, body };
        if !may_block {
            return Ok(chain.answer(&request.lend()));
        }
        let chain = chain.clone();
        let answer = tokio::task::spawn_blocking(move || chain.answer(&request.lend())).await;
        // The task ends early only when the runtime does.
        answer.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, StatusCode> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        // A declared length is refused before a byte of it is read.
        if body.size_hint().lower() > self.shared.body_limit as u64 {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let whole = Limited::new(body, self.shared.body_limit).collect();
        match timeout(self.shared.body_timeout, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

/// A request that is here whole.
struct Arrived {
    peer: SocketAddr,
    head: hyper::http::request::Parts,
    body: Bytes,
}

impl Arrived {
    /// The request in the form in which plugins are shown it.
    fn lend(&self) -> plugin_host::Request<'_> {
        plugin_host::Request {
            method: self.head.method.as_str(),
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            mount: None,
            version: match self.head.version {
                Version::HTTP_10 => HttpVersion::Http10,
                _ => HttpVersion::Http11,
            },
            peer: Some(self.peer),
            headers: self
                .head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect(),
            body: &self.body,
        }
    }
}

/// Turns an answer of the plugins into one for hyper. What hyper does not take, although the host let it pass, is a 500.
fn to_http(answer: plugin_host::Response) -> Response<Full<Bytes>> {
    build(answer).unwrap_or_else(|error| {
        tracing::error!(%error, code = "call.invalid-argument", "a response that cannot be sent");
        build(refusal(500)).unwrap_or_default()
    })
}

fn build(answer: plugin_host::Response) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let status = StatusCode::from_u16(answer.status)?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    for (name, value) in answer.headers {
        response.headers_mut().append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    // RFC 9110, sections 15.3.5 and 15.4.5: these two have no content.
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        *response.body_mut() = Full::from(answer.body);
    }
    Ok(response)
}
