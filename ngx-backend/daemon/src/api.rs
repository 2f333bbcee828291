//! The API: who may ask, what for, and what is answered.

mod body;
mod bulk;
mod docs;
mod entries;
mod entry;
mod health;
mod refusal;
mod routes;

use std::sync::Arc;
use std::time::SystemTime;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};

use crate::access::{Peer, Rules};
use crate::redis::State;
use crate::store::{Store, StoreError, View};
use crate::tally::{Tally, add};
use crate::writer::Queue;
use body::Body;
use refusal::Refusal;
use routes::Action;

/// What answers requests.
pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Queue,
    /// If the map is kept there.
    pub(crate) redis: Option<Arc<State>>,
    pub(crate) rules: Rules,
    pub(crate) tally: Arc<Tally>,
    pub(crate) started: SystemTime,
    pub(crate) access_log: bool,
}

impl Api {
    /// The answer to a request, whatever it is.
    pub(crate) async fn answer(&self, peer: Peer, request: Request<Incoming>) -> Response<Body> {
        match self.act(peer, request).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn act(&self, peer: Peer, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (route, host) = routes::find(request.method(), request.uri().path())?;
        if !route.is_public {
            self.rules.check(peer, request.headers()).map_err(|denial| {
                add(&self.tally.denied, 1);
                Refusal::denied(denial)
            })?;
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        match route.action {
            Action::Documentation => Ok(respond("text/plain; charset=utf-8", docs::text())),
            Action::OpenApi => Ok(respond("application/json", docs::OPENAPI.to_owned())),
            Action::Health => Ok(health::health(self).await),
            Action::Metrics => health::metrics(self).await,
            Action::List => entries::list(self, &query).await,
            Action::Put => entries::put(self, request.into_body()).await,
            Action::Get => entries::get(self, &host).await,
            Action::Delete => entries::delete(self, &host).await,
            Action::Export => bulk::export(self).await,
            Action::Import => bulk::import(self, request.into_body()).await,
        }
    }

    /// Reads the store beside the thread that serves.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = Arc::clone(&self.store);
        let outcome = tokio::task::spawn_blocking(move || store.view().and_then(read)).await;
        match outcome {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(self.not_read(&error)),
            // The read panicked, which the panic hook has reported, or the daemon stops.
            Err(_) => Err(Refusal::store_failed()),
        }
    }

    /// The answer where the store cannot be read.
    fn not_read(&self, error: &StoreError) -> Refusal {
        self.tally.store_failed(error);
        match error {
            StoreError::Database(_) => Refusal::store_failed(),
            StoreError::NotFilled => Refusal::away(error.to_string()),
        }
    }
}

/// An answer that nobody keeps.
fn respond(content_type: &'static str, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// JSON on one line, with a line break at its end for terminals.
fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = respond("application/json", format!("{value}\n"));
    *response.status_mut() = status;
    response
}

impl Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, &serde_json::json!({ "error": self.sentence }));
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(hyper::header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
