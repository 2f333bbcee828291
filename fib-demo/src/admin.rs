//! What operators see: health, status, metrics.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_front::admin::{Operated, Refusal, allow, json, respond};
use http_front::metrics::{self, Durations, MetricFamily, counter, durations, gauge, label};
use http_front::{Response, ServerState, ServerStats, Stop};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

use crate::engine::Engine;
use crate::stats::{CacheState, ComputeState, Open};

/// What the admin side sees of the program.
pub(crate) struct View {
    pub(crate) engine: Arc<Engine>,
    pub(crate) server: Arc<ServerStats>,
    pub(crate) waiting: Arc<Open>,
    pub(crate) stop: Stop,
    pub(crate) started: SystemTime,
}

/// `/status`.
#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    /// In seconds since 1970.
    started: f64,
    stopping: bool,
    /// Requests whose answer is waited for.
    requests_waiting: u64,
    cache: Cache,
    compute: Compute,
    http: ServerState,
}

#[derive(Debug, Serialize)]
struct Cache {
    /// Null if there is none.
    plugin: Option<Plugin>,
    #[serde(flatten)]
    calls: CacheState,
}

#[derive(Debug, Serialize)]
struct Plugin {
    name: String,
    version: String,
    target: String,
    /// What it lacks to do its work; null if nothing.
    unhealthy: Option<String>,
}

#[derive(Debug, Serialize)]
struct Compute {
    threads: usize,
    running: usize,
    queued: usize,
    #[serde(flatten)]
    computations: ComputeState,
}

impl Operated for View {
    async fn answer(&self, head: &Parts) -> Result<Response, Refusal> {
        let path = head.uri.path();
        let answer: fn(&Self) -> Result<Response, Refusal> = match path {
            "/healthz" => Self::health,
            "/status" => |view| Ok(json(StatusCode::OK, &view.status())),
            "/metrics" => Self::metrics,
            _ => return Err(Refusal::nothing_at(path)),
        };
        allow(&head.method, path, "GET, HEAD")?;
        answer(self)
    }
}

impl View {
    /// Whether requests are served. A cache that cannot do its work makes it slower, not ill.
    fn health(&self) -> Result<Response, Refusal> {
        if self.stop.is_told() {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping"));
        }
        Ok(json(StatusCode::OK, &serde_json::json!({ "healthy": true })))
    }

    fn status(&self) -> Status {
        let cache = self.engine.cache();
        let plugin = cache.identity().map(|identity| Plugin {
            name: identity.name.clone(),
            version: identity.version.to_string(),
            target: identity.target.clone(),
            unhealthy: cache.health().err().map(|error| error.to_string()),
        });
        let (queued, running) = self.engine.load();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started(),
            stopping: self.stop.is_told(),
            requests_waiting: self.waiting.now(),
            cache: Cache { plugin, calls: self.engine.cache_state() },
            compute: Compute {
                threads: self.engine.threads(),
                running,
                queued,
                computations: self.engine.compute_state(),
            },
            http: self.server.state(),
        }
    }

    fn metrics(&self) -> Result<Response, Refusal> {
        let status = self.status();
        let mut families = metrics::of_server(&status.http, status.version, status.started);
        families.extend(of_cache(&status.cache));
        families.extend(of_computations(&status.compute));
        families.push(gauge(
            "dynlab_fib_requests_waiting",
            "Requests whose answer is waited for.",
            [(vec![], status.requests_waiting as f64)],
        ));
        let text = metrics::write(families)
            .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        Ok(respond(StatusCode::OK, metrics::CONTENT_TYPE, text))
    }

    fn started(&self) -> f64 {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }
}

fn of_cache(cache: &Cache) -> Vec<MetricFamily> {
    let calls = &cache.calls;
    let errors = [("failed", calls.failed), ("timed-out", calls.timed_out), ("garbled", calls.garbled)];
    let one = |value| [(vec![], value)];
    let plugin = cache.plugin.iter();
    vec![
        counter("dynlab_fib_cache_hits_total", "Numbers that the cache had.", one(calls.hits)),
        counter("dynlab_fib_cache_misses_total", "Numbers that it did not have.", one(calls.misses)),
        counter("dynlab_fib_cache_stored_total", "Numbers that were put there.", one(calls.stored)),
        counter(
            "dynlab_fib_cache_errors_total",
            "Calls of the cache that failed, were not answered in time, or gave what is no number.",
            errors.map(|(reason, count)| (vec![label("reason", reason)], count)),
        ),
        counter(
            "dynlab_fib_cache_skipped_total",
            "Calls that were not made, as those before them had failed.",
            one(calls.skipped),
        ),
        gauge(
            "dynlab_fib_cache_healthy",
            "0 while the cache plugin says that it cannot do its work.",
            plugin.map(|plugin| {
                let labels = vec![label("plugin", &plugin.name), label("version", &plugin.version)];
                (labels, f64::from(plugin.unhealthy.is_none()))
            }),
        ),
    ]
}

fn of_computations(compute: &Compute) -> Vec<MetricFamily> {
    let ComputeState { begun, computed, cancelled, failed, withdrawn, durations: buckets, total_nanoseconds } =
        &compute.computations;
    let ended = [("computed", computed), ("cancelled", cancelled), ("failed", failed)];
    let took = Durations { buckets, total_nanoseconds: *total_nanoseconds };
    vec![
        counter("dynlab_fib_computations_begun_total", "Computations that began.", [(vec![], *begun)]),
        counter(
            "dynlab_fib_computations_ended_total",
            "Computations that came to a number, were stopped as nobody waited any more, or failed.",
            ended.map(|(outcome, count)| (vec![label("outcome", outcome)], *count)),
        ),
        counter(
            "dynlab_fib_computations_withdrawn_total",
            "Computations that were given up before they began.",
            [(vec![], *withdrawn)],
        ),
        gauge(
            "dynlab_fib_computations_running",
            "Computations at this moment.",
            [(vec![], compute.running as f64)],
        ),
        gauge(
            "dynlab_fib_computations_queued",
            "Those that wait for a thread.",
            [(vec![], compute.queued as f64)],
        ),
        durations(
            "dynlab_fib_computation_duration_seconds",
            "How long computations took that came to a number.",
            [(vec![], took)],
        ),
    ]
}
