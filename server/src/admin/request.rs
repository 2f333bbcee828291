//! What a request to the admin side wants. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::answer::Refusal;
use crate::plugins::Family;

/// What the admin side does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Plugins,
    Refused,
    Health,
    Live,
    Metrics,
    Reload,
    Change { kind: Family, name: String, change: Change },
}

/// What is done to one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    RollBack,
    /// Without a version, the active one.
    Quarantine(Option<String>),
    Release(String),
}

/// Finds out what is wanted.
///
/// # Errors
/// 404 for a path that is not served, 405 with `Allow` for another method, 400 for a query that says too little or too much.
pub(super) fn order(method: &Method, path: &str, query: Option<&str>) -> Result<Order, Refusal> {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let (allow, order) = match segments[..] {
        ["plugins"] => ("GET, HEAD", Order::Plugins),
        ["refused"] => ("GET, HEAD", Order::Refused),
        ["health"] => ("GET, HEAD", Order::Health),
        ["live"] => ("GET, HEAD", Order::Live),
        ["metrics"] => ("GET, HEAD", Order::Metrics),
        ["reload"] => ("POST", Order::Reload),
        ["plugins", kind, name, verb @ ("rollback" | "quarantine" | "release")] => {
            let kind =
                kind.parse::<Family>().map_err(|sentence| Refusal::new(StatusCode::NOT_FOUND, sentence))?;
            if method != Method::POST {
                return Err(Refusal::other_method(method, path, "POST"));
            }
            let version = version(query)?;
            let change = match (verb, version) {
                ("rollback", None) => Change::RollBack,
                ("rollback", Some(_)) => {
                    return Err(Refusal::bad(
                        "a rollback takes no version; put the newer one into quarantine instead",
                    ));
                }
                ("quarantine", version) => Change::Quarantine(version),
                (_, Some(version)) => Change::Release(version),
                (_, None) => return Err(Refusal::bad("say which version to release, with ?version=")),
            };
            return Ok(Order::Change { kind, name: name.to_owned(), change });
        }
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, format!("nothing is served at {path}"))),
    };
    let methods: &[Method] = if allow == "POST" { &[Method::POST] } else { &[Method::GET, Method::HEAD] };
    if methods.contains(method) { Ok(order) } else { Err(Refusal::other_method(method, path, allow)) }
}

/// The parameter `version`; others are errors, since an order that was meant otherwise is worse than none.
fn version(query: Option<&str>) -> Result<Option<String>, Refusal> {
    let mut version = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let value = pair
            .strip_prefix("version=")
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::bad(format!("the query says {pair:?}; only version=… is known")))?;
        // No form: a plus is a plus, as in 1.0.0+build.
        let value =
            percent_decode_str(value).decode_utf8().map_err(|_| Refusal::bad("the version is not text"))?;
        if version.replace(value.into_owned()).is_some() {
            return Err(Refusal::bad("the query names two versions"));
        }
    }
    Ok(version)
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through a file that only its owner can open.
    Unix,
    /// Through a port that every program of this machine can open, a browser too, and through it any page.
    Tcp,
}

/// Lets no web page in: neither by a request to this address from a page (fetch and forms name their origin), nor by a name of
/// the page's own that leads to this machine (DNS rebinding; the host would be that name).
///
/// # Errors
/// 403 saying why.
pub(super) fn keep_browsers_out(way: Way, head: &Parts) -> Result<(), Refusal> {
    let forbidden = |sentence: &str| Err(Refusal::new(StatusCode::FORBIDDEN, sentence));
    // Fetch standard, and Fetch Metadata Request Headers: "none" is what a person typed in.
    const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let fetch_site = head.headers.get(FETCH_SITE);
    if head.headers.contains_key(ORIGIN) || fetch_site.is_some_and(|site| site != "none") {
        return forbidden("a web page sent this, and the admin side does not serve web pages");
    }
    if way == Way::Tcp && !names_loopback(head.uri.authority(), &head.headers) {
        return forbidden("the host of the request is not a loopback address such as 127.0.0.1");
    }
    Ok(())
}

/// Whether all that the request says of its host is a loopback address, or `localhost`: that name is this machine whoever is
/// asked (RFC 6761, section 6.3).
fn names_loopback(in_target: Option<&Authority>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let in_field = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let Some(in_field) = in_field else { return false };
    is_loopback(&in_field) && in_target.is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(address) => address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None if host.eq_ignore_ascii_case("localhost") => true,
        None => host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_and_query_is_an_order_or_refused(
            path in "(/|[a-z]|plugins|handler|release|%|\\PC){0,12}",
            query in proptest::option::of("(version|=|&|%|[0-9a-f]|\\PC){0,12}"),
        ) {
            for method in [Method::GET, Method::POST] {
                if let Err(refusal) = order(&method, &path, query.as_deref()) {
                    prop_assert!((400..500).contains(&refusal.status()));
                }
            }
        }
    }

    fn change(kind: Family, change: Change) -> Result<Order, u16> {
        Ok(Order::Change { kind, name: "a".to_owned(), change })
    }

    #[test]
    fn orders_are_told_by_method_path_and_query() {
        let version = || "1.0.0+b".to_owned();
        let cases = [
            ("GET", "/plugins", Ok(Order::Plugins)),
            ("HEAD", "/health", Ok(Order::Health)),
            ("GET", "/metrics?name[]=a", Ok(Order::Metrics)),
            ("POST", "/reload", Ok(Order::Reload)),
            ("GET", "/reload", Err(405)),
            ("POST", "/plugins", Err(405)),
            ("GET", "/", Err(404)),
            ("GET", "/plugins/", Err(404)),
            ("POST", "/plugins/handler/a", Err(404)),
            ("POST", "/plugins/handler/a/rollback", change(Family::Handler, Change::RollBack)),
            ("GET", "/plugins/handler/a/rollback", Err(405)),
            ("POST", "/plugins/cache/a/rollback", Err(404)),
            ("POST", "/plugins/handler/a/rollback?version=1.0.0", Err(400)),
            (
                "POST",
                "/plugins/middleware/a/quarantine",
                change(Family::Middleware, Change::Quarantine(None)),
            ),
            (
                "POST",
                "/plugins/handler/a/quarantine?version=1.0.0%2Bb",
                change(Family::Handler, Change::Quarantine(Some(version()))),
            ),
            (
                "POST",
                "/plugins/handler/a/release?version=1.0.0+b",
                change(Family::Handler, Change::Release(version())),
            ),
            ("POST", "/plugins/handler/a/release", Err(400)),
            ("POST", "/plugins/handler/a/release?version=", Err(400)),
            ("POST", "/plugins/handler/a/release?version=1&version=2", Err(400)),
            ("POST", "/plugins/handler/a/quarantine?versoin=1", Err(400)),
            ("POST", "/plugins/handler/a/quarantine?version=%ff", Err(400)),
        ];
        for (method, target, expected) in cases {
            let (path, query) =
                target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let found = order(&method.parse().unwrap(), path, query).map_err(|refusal| refusal.status());
            assert_eq!(found, expected, "{method} {target}");
        }
    }

    #[test]
    fn pages_are_kept_out_and_programs_are_not() {
        let none = ("x-nothing", "");
        let cases = [
            (Way::Unix, ("host", "anything.example"), none, true),
            (Way::Unix, none, none, true),
            (Way::Unix, ("host", "localhost"), ("origin", "null"), false),
            (Way::Tcp, ("host", "127.0.0.1:9000"), none, true),
            (Way::Tcp, ("host", "[::1]:9000"), none, true),
            (Way::Tcp, ("host", "LOCALHOST"), none, true),
            (Way::Tcp, ("host", "127.0.0.1:9000"), ("origin", "http://127.0.0.1:9000"), false),
            (Way::Tcp, ("host", "127.0.0.1"), ("sec-fetch-site", "cross-site"), false),
            (Way::Tcp, ("host", "127.0.0.1"), ("sec-fetch-site", "none"), true),
            (Way::Tcp, none, none, false),
            (Way::Tcp, ("host", "rebound.example:9000"), none, false),
            (Way::Tcp, ("host", "127.0.0.1.example"), none, false),
            (Way::Tcp, ("host", "192.0.2.1"), none, false),
            (Way::Tcp, ("host", "user@127.0.0.1"), none, true),
            (Way::Tcp, ("host", "127.0.0.1@rebound.example"), none, false),
            (Way::Tcp, ("host", ""), none, false),
            (Way::Tcp, ("host", "127.0.0.1"), ("host", "rebound.example"), false),
        ];
        for (way, first, second, expected) in cases {
            let request =
                Request::builder().header(first.0, first.1).header(second.0, second.1).body(()).unwrap();
            let let_in = keep_browsers_out(way, &request.into_parts().0).is_ok();
            assert_eq!(let_in, expected, "{way:?} {first:?} {second:?}");
        }
        let absolute = Request::builder()
            .uri("http://rebound.example/plugins")
            .header("host", "127.0.0.1")
            .body(())
            .unwrap();
        assert!(keep_browsers_out(Way::Tcp, &absolute.into_parts().0).is_err());
    }
}
