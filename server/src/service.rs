//! One request in, one response out: finds the handler, reads the body, calls the plugin.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use plugin_host::HttpVersion;
use tokio::time::timeout;

use crate::flags::Flags;
use crate::handlers::Handler;
use crate::router::{Match, Router};

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
}

struct Shared {
    router: Router<Handler>,
    body_limit: usize,
    body_timeout: Duration,
}

impl Service {
    pub(crate) fn new(router: Router<Handler>, flags: &Flags) -> Self {
        let shared = Shared { router, body_limit: flags.body_limit, body_timeout: flags.read_timeout };
        Self { shared: Arc::new(shared) }
    }

    /// The answer to one request of `peer`. Never an error: each has a status of its own.
    pub(crate) async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let head_only = request.method() == Method::HEAD;
        let mut response = self.respond(peer, request).await.unwrap_or_else(Refusal::into_response);
        if head_only {
            // RFC 9110, section 9.3.2: the fields as for GET, the content's length among them.
            let length = response.body().size_hint().exact().unwrap_or(0);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            *response.body_mut() = Full::default();
        }
        response
    }

    async fn respond(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (head, body) = request.into_parts();
        let (handler, route, method) = match self.shared.router.find(head.method.as_str(), head.uri.path()) {
            Match::Target { target, route, method } => (target, route, method),
            Match::OtherMethods(allow) => return Err(Refusal::OtherMethods(allow)),
            Match::Nothing => return Err(Refusal::Status(StatusCode::NOT_FOUND)),
        };
        let body = self.read_body(body).await?;
        let request = plugin_host::Request {
            method,
            path: head.uri.path(),
            query: head.uri.query(),
            mount: Some(route),
            version: match head.version {
                Version::HTTP_10 => HttpVersion::Http10,
                _ => HttpVersion::Http11,
            },
            peer: Some(peer),
            headers: head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
            body: &body,
        };
        let failed = |code: &str, reason: String| {
            tracing::error!(
                plugin = handler.plugin(),
                version = handler.version(),
                method,
                path = head.uri.path(),
                code,
                reason,
                "the plugin failed"
            );
            Refusal::Status(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let answer = handler.call(&request).map_err(|error| failed(error.code(), error.to_string()))?;
        to_http(answer).map_err(|error| failed("call.invalid-argument", error.to_string()))
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, Refusal> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        // A declared length is refused before a byte of it is read.
        if body.size_hint().lower() > self.shared.body_limit as u64 {
            return Err(Refusal::Status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let whole = Limited::new(body, self.shared.body_limit).collect();
        match timeout(self.shared.body_timeout, whole).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(Refusal::Status(StatusCode::PAYLOAD_TOO_LARGE))
            }
            Ok(Err(_)) => Err(Refusal::Status(StatusCode::BAD_REQUEST)),
            Err(_) => Err(Refusal::Status(StatusCode::REQUEST_TIMEOUT)),
        }
    }
}

/// A request that no plugin answered.
enum Refusal {
    Status(StatusCode),
    OtherMethods(String),
}

impl Refusal {
    /// The body says only what the status says: nothing of the inside.
    fn into_response(self) -> Response<Full<Bytes>> {
        let (status, allow) = match self {
            Self::Status(status) => (status, None),
            Self::OtherMethods(allow) => (StatusCode::METHOD_NOT_ALLOWED, Some(allow)),
        };
        let text = format!("{}\n", status.canonical_reason().unwrap_or("error"));
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

/// Turns a plugin's answer, which is checked already, into one for hyper.
fn to_http(answer: plugin_host::Response) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
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
