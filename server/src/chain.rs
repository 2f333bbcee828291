//! What answers a request once it is here whole: the plugins, in their order.

use std::sync::Arc;

use plugin_host::{Request, Response};

use crate::plugins::Handler;
use crate::router::{Match, Router};

/// The plugins as a request meets them. A copy is the same chain.
#[derive(Clone)]
pub(crate) struct Chain {
    router: Arc<Router<Handler>>,
}

impl Chain {
    pub(crate) fn new(router: Router<Handler>) -> Self {
        Self { router: Arc::new(router) }
    }

    /// The answer to a request. Never an error: what goes wrong has a status, and its reason is in the log. Calls the plugins
    /// on this thread.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Response {
        let (handler, mount, method) = match self.router.find(request.method, request.path) {
            Match::Target { target, route, method } => (target, route, method),
            Match::OtherMethods(allow) => {
                let mut response = refusal(405);
                response.headers.push(("allow".to_owned(), allow.into_bytes()));
                return response;
            }
            Match::Nothing => return refusal(404),
        };
        let request = Request { method, mount: Some(mount), ..request.clone() };
        handler.call(&request).unwrap_or_else(|error| {
            tracing::error!(
                plugin = handler.plugin(),
                version = handler.version(),
                method,
                path = request.path,
                code = error.code(),
                reason = %error,
                "the plugin failed"
            );
            refusal(500)
        })
    }
}

/// An answer of the server's own. The body says only what the status says: nothing of the inside.
pub(crate) fn refusal(status: u16) -> Response {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    Response {
        status,
        headers: vec![("content-type".to_owned(), b"text/plain; charset=utf-8".to_vec())],
        body: format!("{}\n", reason.unwrap_or("error")).into_bytes(),
    }
}
