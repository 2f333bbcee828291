//! What answers a request once it is here whole: the middlewares in their order, and the handler on its route.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use plugin_host::{Before, CallError, Current, Request, RequestEdit, Response};

use crate::plugins::{Handler, Installed, Middleware, Table};
use crate::router::Match;
use crate::stats::Outcome;

/// The plugins as a request meets them. A copy is the same chain.
#[derive(Clone)]
pub(crate) struct Chain {
    table: Arc<ArcSwap<Table>>,
}

impl Chain {
    pub(crate) fn new(table: Arc<ArcSwap<Table>>) -> Self {
        Self { table }
    }

    /// The answer to a request. Never an error: what goes wrong has a status, and its reason is in the log. Calls the plugins
    /// on this thread.
    pub(crate) fn answer(&self, request: &Request<'_>) -> Response {
        answer(&self.table.load(), request)
    }

    /// The same, unless it may take long and should be done where nothing else waits.
    pub(crate) fn answer_unless_it_may_block(&self, request: &Request<'_>) -> Option<Response> {
        let table = self.table.load();
        (!may_block(&table, request)).then(|| answer(&table, request))
    }
}

fn may_block(table: &Table, request: &Request<'_>) -> bool {
    table.has_blocking
        && (table.middlewares.iter().any(|middleware| middleware.blocking)
            || matches!(table.router.find(request.method, request.path), Match::Target { target, .. } if target.blocking))
}

fn answer(table: &Table, request: &Request<'_>) -> Response {
    if !table.missing_middlewares.is_empty() {
        return refusal(503);
    }
    pass(table, &table.middlewares, request)
}

/// Has a request answered by the first of `middlewares`, or what stands behind it.
fn pass(table: &Table, middlewares: &[Middleware], request: &Request<'_>) -> Response {
    let Some((middleware, behind)) = middlewares.split_first() else {
        return handle(table, request);
    };
    let current = middleware.slot.current();
    let call =
        Call { plugin: middleware.slot.name(), current: &current, blocking: middleware.blocking, request };
    let (edits, ticket) = match call.make(|installed| installed.instance.before(request)) {
        Ok(Before::Continue { edits, ticket }) => (edits, ticket),
        Ok(Before::Answered(response)) => return response,
        Err(Failed) => return refusal(500),
    };
    let mut response = if edits.is_empty() {
        pass(table, behind, request)
    } else {
        pass(table, behind, &request.edited(&edits))
    };
    match call.make(|_| ticket.after(request, &mut response)) {
        Ok(()) => response,
        Err(Failed) => refusal(500),
    }
}

/// Has a request answered by the handler on its route.
fn handle(table: &Table, request: &Request<'_>) -> Response {
    let (handler, mount, method): (&Handler, _, _) = match table.router.find(request.method, request.path) {
        Match::Target { target, route, method } => (target, route, method),
        Match::OtherMethods(allow) => {
            let mut response = refusal(405);
            response.headers.push(("allow".to_owned(), allow.into_bytes()));
            return response;
        }
        Match::Nothing => return refusal(404),
    };
    // RFC 9110, section 14.2: ranges are of GET alone. The handler that stands in for HEAD must not see one.
    let without_range;
    let request = if method == request.method {
        request.clone()
    } else {
        without_range = [RequestEdit::RemoveHeader("range".to_owned())];
        request.edited(&without_range)
    };
    let request = Request { method, mount: Some(mount), ..request };
    let current = handler.slot.current();
    let call = Call {
        plugin: handler.slot.name(),
        current: &current,
        blocking: handler.blocking,
        request: &request,
    };
    let mut response = Response::default();
    match call.make(|installed| installed.instance.handle_into(&request, &mut response)) {
        Ok(()) => response,
        Err(Failed) => refusal(500),
    }
}

/// A call of a plugin for a request.
struct Call<'a, I> {
    plugin: &'a str,
    current: &'a Current<'a, Installed<I>>,
    blocking: bool,
    request: &'a Request<'a>,
}

/// A call that failed; the log has the reason already.
struct Failed;

/// How long a call may hold the thread of other connections before the log says so.
const LONG: Duration = Duration::from_millis(100);

impl<'a, I> Call<'a, I> {
    fn make<R>(&self, call: impl FnOnce(&'a Installed<I>) -> Result<R, CallError>) -> Result<R, Failed> {
        let start = Instant::now();
        let outcome = call(self.current);
        let elapsed = start.elapsed();
        self.current.calls.record(outcome_of(&outcome), elapsed);
        if elapsed > LONG && !self.blocking {
            tracing::warn!(
                plugin = self.plugin,
                version = %self.current.version(),
                path = self.request.path,
                milliseconds = elapsed.as_millis(),
                "the call held up other connections; set `blocking = true` for the plugin"
            );
        }
        outcome.map_err(|error| {
            self.current.blame(&error);
            tracing::error!(
                plugin = self.plugin,
                version = %self.current.version(),
                method = self.request.method,
                path = self.request.path,
                code = error.code(),
                reason = %error,
                "the plugin failed"
            );
            Failed
        })
    }
}

fn outcome_of<R>(outcome: &Result<R, CallError>) -> Outcome {
    match outcome {
        Ok(_) => Outcome::Ok,
        Err(error) if error.is_panic() => Outcome::Panicked,
        Err(_) => Outcome::Failed,
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
