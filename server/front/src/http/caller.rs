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
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::access_log::{Asked, Entry};
use super::connection::Terms;
use super::progress::Progress;
use super::screen::{Screened, screen};
use super::service::WholeBody;
use crate::application::{self, Application, IntoResponse, Reply, Response, WholeRequest};

/// One side of a connection, the client's.
pub(super) struct Caller<A> {
    peer: SocketAddr,
    progress: Rc<Progress>,
    terms: Rc<Terms<A>>,
}

/// An answer, here already or on its way. Never an error: what goes wrong has a status.
///
/// Most requests have no body and are answered where they are read. They come without a state machine that could wait, which hyper would
/// move about in memory.
pub(super) enum Answer {
    Here(Option<Response>),
    Awaited(Pin<Box<dyn Future<Output = Response>>>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Here(Some(response))
    }
}

impl Future for Answer {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            // Like every future it is not asked again once it has answered.
            Self::Here(response) => Poll::Ready(Ok(response.take().unwrap_or_default())),
            Self::Awaited(response) => response.as_mut().poll(context).map(Ok),
        }
    }
}

/// A request under way: who sent it, and when its head was complete, if somebody wants to know.
#[derive(Clone, Copy)]
struct UnderWay {
    client: SocketAddr,
    begin: Option<Instant>,
}

impl<A: Application> Caller<A> {
    pub(super) fn new(peer: SocketAddr, progress: Rc<Progress>, terms: Rc<Terms<A>>) -> Self {
        Self { peer, progress, terms }
    }

    /// The answer to one request.
    pub(super) fn answer(self: &Rc<Self>, mut request: Request<Incoming>) -> Answer {
        self.progress.request_begins();
        let begin = self.terms.access_log.as_ref().map(|_| Instant::now());
        let client = self.terms.service.client(self.peer, request.headers());
        let under_way = UnderWay { client, begin };
        let application = self.terms.service.application();
        if let Screened::Answered(status) = screen(&request) {
            // The body of a request that is not understood is not looked at.
            if !request.body().is_end_stream() {
                self.progress.body_left_unread();
            }
            let asked = Asked::of(request.method(), request.uri(), request.version());
            let refusal = application.refuse(status);
            return self.finish(under_way, &asked, refusal, true, HeaderMap::new()).into();
        }
        if !request.body().is_end_stream() {
            return self.answer_later(under_way, request, None);
        }
        match application.answer(&application::Request::lend(client, &request, &[])) {
            Reply::Here(answer) => {
                // The request has been answered, so its memory may serve the response.
                let mut headers = std::mem::take(request.headers_mut());
                headers.clear();
                let asked = Asked::of(request.method(), request.uri(), request.version());
                self.finish(under_way, &asked, answer, false, headers).into()
            }
            Reply::Begun(begun) => self.answer_later(under_way, request, Some(begun)),
        }
    }

    /// The answer to a request whose body, or whose answer, has to be waited for. With a body the answer is not `begun`.
    fn answer_later(
        self: &Rc<Self>,
        under_way: UnderWay,
        request: Request<Incoming>,
        begun: Option<A::Begun>,
    ) -> Answer {
        let caller = Rc::clone(self);
        Answer::Awaited(Box::pin(async move {
            let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
            let asked = Asked::of(&method, &uri, version);
            let (answer, last) = match begun {
                Some(begun) => {
                    let request = request.map(|_| Bytes::new());
                    (caller.wait(under_way, &asked, request, begun).await, false)
                }
                None => caller.read(under_way, &asked, request).await,
            };
            caller.finish(under_way, &asked, answer, last, HeaderMap::new())
        }))
    }

    /// The application's answer or a refusal, and whether no other request may follow.
    async fn read(
        &self,
        under_way: UnderWay,
        asked: &Asked<'_>,
        request: Request<Incoming>,
    ) -> (A::Answer, bool) {
        let (head, body) = request.into_parts();
        let application = self.terms.service.application();
        match self.terms.service.read_body(&head.headers, body).await {
            Ok(WholeBody { bytes, ends_connection }) => {
                let request = Request::from_parts(head, bytes);
                let lent = application::Request::lend(under_way.client, &request, request.body());
                let answer = match application.answer(&lent) {
                    Reply::Here(answer) => answer,
                    Reply::Begun(begun) => self.wait(under_way, asked, request, begun).await,
                };
                (answer, ends_connection)
            }
            Err(status) => {
                self.progress.body_left_unread();
                (application.refuse(status), true)
            }
        }
    }

    /// The answer that was begun.
    async fn wait(
        &self,
        under_way: UnderWay,
        asked: &Asked<'_>,
        http: Request<Bytes>,
        begun: A::Begun,
    ) -> A::Answer {
        let service = &self.terms.service;
        let request = WholeRequest { client: under_way.client, http };
        if service.abandons() {
            self.progress.answer_is_awaited();
        }
        let mut awaited = Awaited { caller: self, under_way, asked, came: false };
        let answer = service.application().finish(begun, request).await;
        awaited.came = true;
        answer
    }

    /// Turns the application's answer into the one that is sent, counts it and logs it. No other request follows on this connection if
    /// it is the `last`.
    fn finish(
        &self,
        under_way: UnderWay,
        asked: &Asked<'_>,
        answer: A::Answer,
        last: bool,
        spare: HeaderMap,
    ) -> Response {
        let mut response = answer.into_response(spare);
        if *asked.method == Method::HEAD {
            leave_body_away(&mut response);
        }
        if last || self.terms.stop.is_told() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let (status, bytes) = (response.status(), response.body().size_hint().lower());
        self.terms.service.stats().answered(status.as_u16(), bytes);
        self.log(under_way, asked, status.as_u16(), bytes);
        self.progress.answered();
        response
    }

    fn log(&self, under_way: UnderWay, asked: &Asked<'_>, status: u16, bytes: u64) {
        if let (Some(log), Some(begin)) = (&self.terms.access_log, under_way.begin) {
            let duration = begin.elapsed();
            let client = under_way.client.ip();
            log.record(&Entry { client, asked: Some(asked), status, bytes, duration });
        }
    }

    /// Counts and logs what hyper refused by itself, since such a request never comes to [`Self::answer`].
    pub(super) fn note_refused_by_hyper(&self, error: &hyper::Error) {
        let Some(status) = refused_by_hyper(error) else { return };
        self.terms.service.stats().answered(status.as_u16(), 0);
        if let Some(log) = &self.terms.access_log {
            let (client, status) = (self.peer.ip(), status.as_u16());
            log.record(&Entry { client, asked: None, status, bytes: 0, duration: Duration::ZERO });
        }
    }
}

/// An answer that has to be waited for. If it is dropped before it came, the connection has ended and nobody gets it.
struct Awaited<'a, A: Application> {
    caller: &'a Caller<A>,
    under_way: UnderWay,
    asked: &'a Asked<'a>,
    came: bool,
}

/// How the log tells of an answer that nobody got, as nginx does.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl<A: Application> Drop for Awaited<'_, A> {
    fn drop(&mut self) {
        if !self.came {
            self.caller.terms.service.stats().abandoned();
            self.caller.log(self.under_way, self.asked, CLIENT_CLOSED_REQUEST, 0);
        }
    }
}

/// RFC 9110, section 9.3.2: the fields are those of a GET, the content's length among them.
fn leave_body_away(response: &mut Response) {
    let length = response.body().size_hint().exact().unwrap_or(0);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Full::default();
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
