//! From requests to the engine and back.

use std::sync::Arc;
use std::time::Instant;

use http_front::{Application, IntoResponse, Reply, Request, Response, WholeRequest};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use tracing::Level;

use crate::engine::{self, Engine, Later, Refusal};
use crate::fibonacci::Index;
use crate::mailbox::by_mail;
use crate::stats::Open;

/// Answers `GET /fib/{n}`.
pub(crate) struct Fib {
    engine: Arc<Engine>,
    /// Requests whose answer is waited for.
    waiting: Arc<Open>,
}

/// What is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Number(u64),
    Error {
        status: StatusCode,
        sentence: String,
        /// In seconds.
        retry_after: Option<u64>,
        allow: Option<&'static str>,
    },
}

/// A request whose number is waited for. Dropping it gives the place among those who wait up.
pub(crate) struct Begun {
    answer: Later,
    n: Index,
    begin: Option<Instant>,
    _place: Place,
}

/// A place among those who wait.
struct Place(Arc<Open>);

impl Fib {
    pub(crate) fn new(engine: Arc<Engine>, waiting: Arc<Open>) -> Self {
        Self { engine, waiting }
    }
}

impl Application for Fib {
    type Answer = Answer;
    type Begun = Begun;

    fn answer(&self, request: &Request<'_>) -> Reply<Answer, Begun> {
        let n = match read(request.method, request.uri.path()) {
            Ok(n) => n,
            Err(refusal) => return Reply::Here(refusal),
        };
        let begin = tracing::enabled!(Level::DEBUG).then(Instant::now);
        match self.engine.answer(n) {
            engine::Answer::Here(answer) => {
                log(n, begin, &answer);
                Reply::Here(answer.into())
            }
            engine::Answer::Later(answer) => {
                self.waiting.begin();
                let place = Place(Arc::clone(&self.waiting));
                Reply::Begun(Begun { answer, n, begin, _place: place })
            }
        }
    }

    async fn finish(&self, begun: Begun, _request: WholeRequest) -> Answer {
        let Begun { answer, n, begin, _place } = begun;
        let answer = by_mail(answer.number()).await;
        log(n, begin, &answer);
        answer.into()
    }

    fn refuse(&self, status: StatusCode) -> Answer {
        Answer::error(status, status.canonical_reason().unwrap_or("refused").to_lowercase())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn log(n: Index, begin: Option<Instant>, answer: &Result<u64, Refusal>) {
    let Some(begin) = begin else { return };
    let (n, duration_us) = (n.get(), begin.elapsed().as_micros());
    match answer {
        Ok(_) => tracing::debug!(n, duration_us, "answered"),
        Err(reason) => tracing::debug!(n, duration_us, %reason, "not answered"),
    }
}

/// The number that is asked for. Nothing in the path is decoded: each number has one address.
fn read(method: &Method, path: &str) -> Result<Index, Answer> {
    let n = path.strip_prefix("/fib/").filter(|n| !n.contains('/'));
    let Some(n) = n else {
        return Err(Answer::error(StatusCode::NOT_FOUND, "there is nothing here; ask for /fib/40"));
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        let sentence = format!("{method} is not for numbers; use GET or HEAD");
        return Err(Answer::Error {
            status: StatusCode::METHOD_NOT_ALLOWED,
            sentence,
            retry_after: None,
            allow: Some("GET, HEAD"),
        });
    }
    n.parse().map_err(|error: crate::NotAnIndex| Answer::error(StatusCode::BAD_REQUEST, error.to_string()))
}

impl Answer {
    fn error(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self::Error { status, sentence: sentence.into(), retry_after: None, allow: None }
    }
}

impl From<Result<u64, Refusal>> for Answer {
    fn from(answer: Result<u64, Refusal>) -> Self {
        match answer {
            Ok(number) => Self::Number(number),
            // Nobody knows when less will be asked for; not at once, in any case.
            Err(refusal @ Refusal::TimedOut { patience, .. }) => Self::Error {
                status: StatusCode::SERVICE_UNAVAILABLE,
                sentence: refusal.to_string(),
                retry_after: Some(patience.as_secs().max(1)),
                allow: None,
            },
            Err(refusal @ Refusal::Failed { .. }) => {
                Self::error(StatusCode::INTERNAL_SERVER_ERROR, refusal.to_string())
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self, mut headers: HeaderMap) -> Response {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (status, body) = match self {
            Self::Number(number) => (StatusCode::OK, format!("{{\"result\": {number}}}")),
            Self::Error { status, sentence, retry_after, allow } => {
                if let Some(seconds) = retry_after {
                    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                if let Some(methods) = allow {
                    headers.insert(ALLOW, HeaderValue::from_static(methods));
                }
                (status, format!("{{\"error\": {}}}", serde_json::Value::from(sentence)))
            }
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_address_leads_to_each_number() {
        let cases = [
            ("GET", "/fib/40", Ok("40")),
            ("HEAD", "/fib/0", Ok("0")),
            ("GET", "/fib/", Err(400)),
            ("GET", "/fib/94", Err(400)),
            ("GET", "/fib/4%30", Err(400)),
            ("POST", "/fib/40", Err(405)),
            ("POST", "/fib/x", Err(405)),
            ("GET", "/fib", Err(404)),
            ("GET", "/fib/40/", Err(404)),
            ("GET", "/fib//40", Err(404)),
            ("GET", "//fib/40", Err(404)),
            ("GET", "/FIB/40", Err(404)),
            ("GET", "/", Err(404)),
            ("POST", "/", Err(404)),
        ];
        for (method, path, expected) in cases {
            let found = match read(&method.parse().unwrap(), path) {
                Ok(n) => Ok(n.to_string()),
                Err(Answer::Error { status, .. }) => Err(status.as_u16()),
                Err(Answer::Number(_)) => unreachable!(),
            };
            assert_eq!(found, expected.map(str::to_owned), "{method} {path}");
        }
    }

    #[test]
    fn errors_tell_when_to_come_back() {
        let cases = [(Duration::from_secs(30), 30), (Duration::from_millis(300), 1)];
        for (patience, seconds) in cases {
            let refusal = Refusal::TimedOut { n: "50".parse().unwrap(), patience };
            let response = Answer::from(Err(refusal)).into_response(HeaderMap::new());
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[RETRY_AFTER], seconds.to_string());
        }
    }
}
