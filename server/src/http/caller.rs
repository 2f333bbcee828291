//! Whoever is at the other end of a connection, and what becomes of each of their requests.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use super::access_log::{Asked, Entry};
use super::connection::Terms;
use super::progress::Progress;
use super::response;
use super::screen::{Screened, screen};
use super::service::{Arrived, WholeBody};
use crate::chain::refusal;

/// One side of a connection, the client's.
pub(super) struct Caller {
    peer: SocketAddr,
    progress: Rc<Progress>,
    terms: Rc<Terms>,
}

impl Caller {
    pub(super) fn new(peer: SocketAddr, progress: Rc<Progress>, terms: Rc<Terms>) -> Self {
        Self { peer, progress, terms }
    }

    /// The answer to one request. Never an error: each has a status of its own.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.progress.request_begins();
        let (head, body) = request.into_parts();
        let client = self.terms.service.client(self.peer, &head.headers);
        let asked = self.terms.access_log.as_deref().map(|log| (log, Asked::of(&head), Instant::now()));
        let head_only = head.method == Method::HEAD;

        let (answer, last) = self.decide(client, head, body).await;
        let mut response = response::to_http(answer, head_only);
        if last || self.terms.stop.is_told() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }

        let (status, bytes) = (response.status(), response.body().size_hint().lower());
        self.terms.service.stats().answered(status.as_u16(), bytes);
        if let Some((log, asked, begin)) = asked {
            log.record(&Entry {
                client: client.ip(),
                asked: Some(asked),
                status,
                bytes,
                duration: begin.elapsed(),
            });
        }
        self.progress.answered();
        response
    }

    /// The answer, and whether no other request may follow on this connection.
    async fn decide(&self, client: SocketAddr, head: Parts, body: Incoming) -> (plugin_host::Response, bool) {
        if let Screened::Answered(status) = screen(&head) {
            // The body of a request that is not understood is not looked at.
            if !body.is_end_stream() {
                self.progress.body_left_unread();
            }
            return (refusal(status.as_u16()), true);
        }
        match self.terms.service.read_body(&head, body).await {
            Ok(WholeBody { bytes, ends_connection }) => {
                let request = Arrived { client, head, body: bytes };
                (self.terms.service.respond(request).await, ends_connection)
            }
            Err(status) => {
                self.progress.body_left_unread();
                (refusal(status.as_u16()), true)
            }
        }
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
