//! What a request to the admin side wants. Pure.

use http_front::admin::{Refusal, allow};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;

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
    let (methods, order) = match segments[..] {
        ["plugins"] => ("GET, HEAD", Order::Plugins),
        ["refused"] => ("GET, HEAD", Order::Refused),
        ["health"] => ("GET, HEAD", Order::Health),
        ["live"] => ("GET, HEAD", Order::Live),
        ["metrics"] => ("GET, HEAD", Order::Metrics),
        ["reload"] => ("POST", Order::Reload),
        ["plugins", kind, name, verb @ ("rollback" | "quarantine" | "release")] => {
            let kind =
                kind.parse::<Family>().map_err(|sentence| Refusal::new(StatusCode::NOT_FOUND, sentence))?;
            allow(method, path, "POST")?;
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
        _ => return Err(Refusal::nothing_at(path)),
    };
    allow(method, path, methods).map(|()| order)
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

#[cfg(test)]
mod tests {
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
                    prop_assert!((400..500).contains(&refusal.status().as_u16()));
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
            let found =
                order(&method.parse().unwrap(), path, query).map_err(|refusal| refusal.status().as_u16());
            assert_eq!(found, expected, "{method} {target}");
        }
    }
}
