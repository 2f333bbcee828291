//! What a program has to be to answer requests.

use std::future::Future;
use std::net::SocketAddr;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode, Uri, Version};

/// An answer as it is sent: whole.
pub type Response = hyper::Response<Full<Bytes>>;

/// Answers requests, on the thread of whoever sent them: all connections of a worker wait while a method of this runs, and while
/// the future of [`Application::finish`] is polled. What takes long belongs on other threads.
///
/// Most requests are answered at once, by [`Application::answer`]. It comes without a future, because a state machine that could wait
/// would be moved about in memory for every request that does not. Where something has to be waited for, `answer` begins it and
/// `finish` waits.
pub trait Application: Send + Sync + 'static {
    /// Its answers.
    type Answer: IntoResponse;
    /// What it has begun for an answer that has to be waited for. Dropping it should end what was begun: see [`ClientGone`].
    ///
    /// [`ClientGone`]: crate::ClientGone
    type Begun: 'static;

    /// The answer to a request whose body, if it has one, has come. Its path begins with `/`.
    fn answer(&self, request: &Request<'_>) -> Reply<Self::Answer, Self::Begun>;

    /// The answer that [`Application::answer`] began. The future is dropped before it is ready when its connection ends early: cut off at
    /// the end of the process, or left by the client where the settings say so. It stays on one thread, inside of a
    /// [`tokio::runtime::LocalRuntime`], so that `spawn_local` and `spawn_blocking` are at hand.
    fn finish(&self, begun: Self::Begun, request: WholeRequest) -> impl Future<Output = Self::Answer>;

    /// The answer to a request that does not come to the application: malformed, too large, too slow.
    fn refuse(&self, status: StatusCode) -> Self::Answer;
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply<A, B> {
    /// Here it is.
    Here(A),
    /// It has to be waited for.
    Begun(B),
}

/// A request, lent for as long as it takes to look at it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who sent it, as far as trusted proxies tell; with port 0 if the port is not known.
    pub client: SocketAddr,
    /// As it was sent: a HEAD is a HEAD. Its answer may have the body that it would have for a GET, and is sent without.
    pub method: &'a Method,
    /// Its path begins with `/`.
    pub uri: &'a Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// All of them, `Host` among them.
    pub headers: &'a HeaderMap,
    /// Whole, at most as large as the settings allow.
    pub body: &'a [u8],
}

/// A request that is the application's to keep.
#[derive(Debug)]
pub struct WholeRequest {
    /// See [`Request::client`].
    pub client: SocketAddr,
    /// The rest, as hyper has it.
    pub http: hyper::Request<Bytes>,
}

impl<'a> Request<'a> {
    /// The request with this head, whatever `request` has for a body, and this body.
    pub(crate) fn lend<B>(client: SocketAddr, request: &'a hyper::Request<B>, body: &'a [u8]) -> Self {
        Self {
            client,
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            body,
        }
    }
}

impl WholeRequest {
    /// The request as it was shown before.
    pub fn lend(&self) -> Request<'_> {
        Request::lend(self.client, &self.http, self.http.body())
    }
}

/// An answer that can be sent.
pub trait IntoResponse {
    /// The answer in hyper's form. `spare` is empty and may be used for its headers: often it has memory already, that of the request's.
    ///
    /// `Connection`, `Content-Length`, `Date` and `Transfer-Encoding` are not the application's to set.
    fn into_response(self, spare: HeaderMap) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self, _spare: HeaderMap) -> Response {
        self
    }
}
