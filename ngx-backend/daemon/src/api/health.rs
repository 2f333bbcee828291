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
    if is_readable && troubles.is_empty() {
        json(StatusCode::OK, &json!({ "status": "ok" }))
    } else {
        // Reasons hold paths, which are for the log.
        let parts: Vec<_> =
            troubles.iter().filter_map(|trouble| trouble.split_once(':')).map(|(part, _)| part).collect();
        json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "failing", "parts": parts }))
    }
}

pub(super) async fn metrics(api: &Api) -> Result<Response<Body>, Refusal> {
    let entries = api.read(|view| view.count()).await?;
    let started = api.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    metrics::write(api.tally.metrics(entries, started))
        .map(|text| respond(metrics::CONTENT_TYPE, text))
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))
}
