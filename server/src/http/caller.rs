//! Whoever is at the other end of a connection, and what becomes of each of their requests.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::access_log::{Asked, Entry};
use super::connection::Terms;
use super::progress::Progress;
use super::response;
use super::screen::{Screened, screen};
use super::service::WholeBody;
use crate::chain::refusal;

/// One side of a connection, the client's.
pub(super) struct Caller {
    peer: SocketAddr,
    progress: Rc<Progress>,
    terms: Rc<Terms>,
}

/// An answer, here already or on its way. Never an error: what goes wrong has a status.
///
/// Most requests have no body and are answered where they are read. They come without a state machine that could wait, which hyper would
/// move about in memory.
pub(super) enum Answer {
    Here(Option<Response<Full<Bytes>>>),
    Awaited(Pin<Box<dyn Future<Output = Response<Full<Bytes>>>>>),
}

impl From<Response<Full<Bytes>>> for Answer {
    fn from(response: Response<Full<Bytes>>) -> Self {
        Self::Here(Some(response))
    }
}

impl Future for Answer {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            // Like every future it is not asked again once it has answered.
            Self::Here(response) => Poll::Ready(Ok(response.take().unwrap_or_default())),
            Self::Awaited(response) => response.as_mut().poll(context).map(Ok),
        }
    }
}

impl Caller {
    pub(super) fn new(peer: SocketAddr, progress: Rc<Progress>, terms: Rc<Terms>) -> Self {
        Self { peer, progress, terms }
    }

    /// The answer to one request.
    pub(super) fn answer(self: &Rc<Self>, mut request: Request<Incoming>) -> Answer {
        self.progress.request_begins();
        let begin = self.terms.access_log.as_ref().map(|_| Instant::now());
        let client = self.terms.service.client(self.peer, request.headers());
        if let Screened::Answered(status) = screen(&request) {
            // The body of a request that is not understood is not looked at.
            if !request.body().is_end_stream() {
                self.progress.body_left_unread();
            }
            let asked = Asked::of(request.method(), request.uri(), request.version());
            return self
                .finish(client, &asked, begin, refusal(status.as_u16()), true, HeaderMap::new())
                .into();
        }
        if !request.body().is_end_stream() {
            return self.answer_later(client, request, begin);
        }
        let Some(answer) = self.terms.service.respond_at_once(client, &request, &[]) else {
            return self.answer_later(client, request, begin);
        };
        // The request has been answered, so its memory may serve the response.
        let mut headers = std::mem::take(request.headers_mut());
        headers.clear();
        let asked = Asked::of(request.method(), request.uri(), request.version());
        self.finish(client, &asked, begin, answer, false, headers).into()
    }

    /// The answer to a request whose body, or whose answer, has to be waited for.
    fn answer_later(
        self: &Rc<Self>,
        client: SocketAddr,
        request: Request<Incoming>,
        begin: Option<Instant>,
    ) -> Answer {
        let caller = Rc::clone(self);
        Answer::Awaited(Box::pin(async move {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let asked = Asked::of(&method, &uri, request.version());
            let (answer, last) = caller.wait(client, request).await;
            caller.finish(client, &asked, begin, answer, last, HeaderMap::new())
        }))
    }

    /// The plugins' answer or a refusal, and whether no other request may follow.
    async fn wait(&self, client: SocketAddr, request: Request<Incoming>) -> (plugin_host::Response, bool) {
        let (head, body) = request.into_parts();
        match self.terms.service.read_body(&head.headers, body).await {
            Ok(WholeBody { bytes, ends_connection }) => {
                let request = Request::from_parts(head, bytes);
                (self.terms.service.respond(client, request).await, ends_connection)
            }
            Err(status) => {
                self.progress.body_left_unread();
                (refusal(status.as_u16()), true)
            }
        }
    }

    /// Turns the plugins' answer into the one that is sent, counts it and logs it. No other request follows on this connection if
    /// it is the `last`.
    fn finish(
        &self,
        client: SocketAddr,
        asked: &Asked<'_>,
        begin: Option<Instant>,
        answer: plugin_host::Response,
        last: bool,
        headers: HeaderMap,
    ) -> Response<Full<Bytes>> {
        let mut response = response::to_http(answer, *asked.method == Method::HEAD, headers);
        if last || self.terms.stop.is_told() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, bytes) = (response.status(), response.body().size_hint().lower());
        self.terms.service.stats().answered(status.as_u16(), bytes);
        if let (Some(log), Some(begin)) = (&self.terms.access_log, begin) {
            let duration = begin.elapsed();
            log.record(&Entry { client: client.ip(), asked: Some(asked), status, bytes, duration });
        }
        self.progress.answered();
        response
    }

    /// Counts and logs what hyper refused by itself, since such a request never comes to [`Self::answer`].
    pub(super) fn note_refused_by_hyper(&self, error: &hyper::Error) {
        let Some(status) = refused_by_hyper(error) else { return };
        self.terms.service.stats().answered(status.as_u16(), 0);
        if let Some(log) = &self.terms.access_log {
            let client = self.peer.ip();
            log.record(&Entry { client, asked: None, status, bytes: 0, duration: Duration::ZERO });
        }
    }
}

/// The status that hyper answered before it gave up on a connection, if it did.
fn refused_by_hyper(error: &hyper::Error) -> Option<StatusCode> {
    if !error.is_parse() {
        return None;
    }
    // What hyper has no question for it has a text for.
    match error.to_string() {
        text if text.contains("HTTP2 preface") => None,
        text if text.contains("URI too long") => Some(StatusCode::URI_TOO_LONG),
        _ if error.is_parse_too_large() => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        _ => Some(StatusCode::BAD_REQUEST),
    }
}
