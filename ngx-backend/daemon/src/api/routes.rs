//! What can be asked for. Pure.

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::refusal::Refusal;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Documentation,
    OpenApi,
    Health,
    Metrics,
    List,
    Put,
    Get,
    Delete,
    Export,
    Import,
}

/// A method and a path, with `{host}` where one stands for a host.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) action: Action,
    /// Whether no token is needed.
    pub(super) is_public: bool,
    pub(super) summary: &'static str,
}

const fn route(
    method: Method,
    path: &'static str,
    action: Action,
    is_public: bool,
    summary: &'static str,
) -> Route {
    Route { method, path, action, is_public, summary }
}

const ENTRY: &str = "/entries/{host}.json";

/// All of them; the documentation is written from this list.
pub(super) const ROUTES: &[Route] = &[
    route(Method::GET, "/", Action::Documentation, true, "This page."),
    route(Method::GET, "/openapi.json", Action::OpenApi, true, "The same for programs."),
    route(
        Method::GET,
        "/healthz",
        Action::Health,
        true,
        "200 if everything works, else 503 with what does not.",
    ),
    route(Method::GET, "/metrics", Action::Metrics, false, "Numbers, for Prometheus."),
    route(
        Method::GET,
        "/entries.json",
        Action::List,
        false,
        "Entries in their order, a page at a time (limit, after), all or those whose host or backend contains a text (host, backend).",
    ),
    route(
        Method::POST,
        "/entries.json",
        Action::Put,
        false,
        "Creates an entry (201) or gives it other backends (200).",
    ),
    route(Method::GET, ENTRY, Action::Get, false, "One entry."),
    route(Method::DELETE, ENTRY, Action::Delete, false, "Deletes an entry (204)."),
    route(
        Method::GET,
        "/export.ndjson",
        Action::Export,
        false,
        "All entries, a line each, as they are at one moment.",
    ),
    route(
        Method::POST,
        "/import.ndjson",
        Action::Import,
        false,
        "Creates or updates an entry for each line; those that cannot be are told, with their lines.",
    ),
];

/// The route of a request, and the text that stands for a host, decoded. HEAD is GET without its body.
///
/// # Errors
/// 404 or 405; 400 if what is encoded is no text.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Route, String), Refusal> {
    let mut methods = Vec::new();
    for route in ROUTES {
        let Some(host) = matches(route.path, path) else { continue };
        if route.method == *method || (*method == Method::HEAD && route.method == Method::GET) {
            let host = percent_decode_str(host).decode_utf8();
            let host = host.map_err(|_| Refusal::bad("the host in the path is no UTF-8 when decoded"))?;
            return Ok((route, host.into_owned()));
        }
        methods.push(route.method.as_str());
    }
    if methods.is_empty() {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "nothing is here; GET / says what is where"));
    }
    let methods = methods.join(", ");
    let sentence = format!("this takes {methods} and not {method}");
    Err(Refusal { allow: Some(methods), ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, sentence) })
}

/// What stands for the host, empty if the path has none. It may contain slashes, encoded or not, and is refused for them later
/// with a reason that helps.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    match pattern.split_once("{host}") {
        None => (pattern == path).then_some(""),
        Some((before, after)) => {
            path.strip_prefix(before)?.strip_suffix(after).filter(|host| !host.is_empty())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_routes() {
        for (method, path, action, host) in [
            (Method::GET, "/", Action::Documentation, ""),
            (Method::HEAD, "/healthz", Action::Health, ""),
            (Method::GET, "/entries/a.com.json", Action::Get, "a.com"),
            (Method::DELETE, "/entries/%41.com.json", Action::Delete, "A.com"),
            (Method::DELETE, "/entries/a%2Fb.json", Action::Delete, "a/b"),
            (Method::DELETE, "/entries/a/b.json", Action::Delete, "a/b"),
            (Method::GET, "/entries/%2A.a.com.json", Action::Get, "*.a.com"),
            (Method::GET, "/entries/*.json", Action::Get, "*"),
            (Method::GET, "/entries/%5B%3A%3A1%5D.json", Action::Get, "[::1]"),
            (Method::GET, "/entries/a.json.json", Action::Get, "a.json"),
            (Method::GET, "/entries/%25.json", Action::Get, "%"),
        ] {
            let (route, found) = find(&method, path).unwrap();
            assert_eq!((route.action, found.as_str()), (action, host), "{path}");
        }
        for (method, path, status) in [
            (Method::GET, "/entries", 404),
            (Method::GET, "/entries/a", 404),
            (Method::GET, "/entries/.json", 404),
            (Method::GET, "//", 404),
            (Method::GET, "/entries/%ff.json", 400),
            (Method::PUT, "/entries.json", 405),
        ] {
            assert_eq!(find(&method, path).unwrap_err().status.as_u16(), status, "{path}");
        }
        let refusal = find(&Method::PUT, "/entries.json").unwrap_err();
        assert_eq!(refusal.allow.as_deref(), Some("GET, POST"));
    }
}
