//! How the daemon is, for those who watch it.

use std::time::UNIX_EPOCH;

use http_front::metrics;
use hyper::{Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::refusal::Refusal;
use super::{Api, json, respond};

pub(super) async fn health(api: &Api) -> Response<Body> {
    // A look at the store is part of it.
    let is_readable = api.read(|view| view.count()).await.is_ok();
    let troubles = api.tally.troubles();
    let redis = api.redis.as_ref().and_then(|redis| redis.brief());
    if is_readable && troubles.is_empty() && redis.is_none() {
        json(StatusCode::OK, &json!({ "status": "ok" }))
    } else {
        // Reasons hold paths, which are for the log.
        let parts: Vec<_> =
            troubles.iter().filter_map(|trouble| trouble.split_once(':')).map(|(part, _)| part).collect();
        let mut failing = json!({ "status": "failing", "parts": parts });
        if let Some(redis) = redis {
            failing["redis"] = redis.into();
        }
        json(StatusCode::SERVICE_UNAVAILABLE, &failing)
    }
}

pub(super) async fn metrics(api: &Api) -> Result<Response<Body>, Refusal> {
    // A copy that is not there yet has none.
    let entries = if api.store.is_filled() { api.read(|view| view.count()).await? } else { 0 };
    let started = api.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut families = api.tally.metrics(entries, started);
    families.extend(api.redis.iter().flat_map(|redis| redis.metrics()));
    metrics::write(families)
        .map(|text| respond(metrics::CONTENT_TYPE, text))
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}
