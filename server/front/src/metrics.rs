//! Numbers as Prometheus metrics, in the text format 0.0.4. Pure.
//!
//! Names, types and units follow <https://prometheus.io/docs/practices/naming/>: base units, `_total` for what only grows.

use std::collections::BTreeMap;

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, Metric, MetricType};
pub use prometheus::proto::{LabelPair, MetricFamily};

use crate::stats::ServerState;
use crate::stats::buckets::coarse_bounds;

/// What the text is, for `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes metrics as text; those without a sample are left out.
///
/// # Errors
/// If a name is none for a metric, as a sentence.
pub fn write(mut families: Vec<MetricFamily>) -> Result<String, String> {
    // A family without a sample says nothing, and the encoder takes it for a mistake.
    families.retain(|family| !family.get_metric().is_empty());
    TextEncoder::new().encode_to_string(&families).map_err(|error| error.to_string())
}

/// The metrics that every program with a front has. `started` is when the process did, in seconds since 1970; `version` is the program's.
pub fn of_server(server: &ServerState, version: &str, started: f64) -> Vec<MetricFamily> {
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    let responses =
        classes.into_iter().zip(server.responses).map(|(class, count)| (vec![label("status", class)], count));
    vec![
        gauge(
            "dynlab_build_info",
            "Always 1; the version of the server is in the label.",
            [(vec![label("version", version)], 1.0)],
        ),
        gauge("process_start_time_seconds", "When the process started, since 1970.", [(vec![], started)]),
        counter(
            "dynlab_http_connections_accepted_total",
            "Connections that were accepted.",
            [(vec![], server.connections_accepted)],
        ),
        gauge(
            "dynlab_http_connections_open",
            "Connections that are open now.",
            [(vec![], server.connections_open as f64)],
        ),
        counter(
            "dynlab_http_accept_errors_total",
            "Times that the system would not give a connection.",
            [(vec![], server.accept_errors)],
        ),
        counter("dynlab_http_responses_total", "Answers, by class of status.", responses),
        counter(
            "dynlab_http_response_body_bytes_total",
            "Bytes in the bodies of all answers.",
            [(vec![], server.response_bytes)],
        ),
        counter(
            "dynlab_http_requests_abandoned_total",
            "Requests whose connection ended before the answer that was waited for had come.",
            [(vec![], server.abandoned)],
        ),
    ]
}

/// A label of a sample.
pub fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

/// A family of what only grows.
pub fn counter(
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<LabelPair>, u64)>,
) -> MetricFamily {
    let metrics = samples.into_iter().map(|(labels, value)| {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        let mut metric = Metric::from_label(labels);
        metric.set_counter(counter);
        metric
    });
    family(name, help, MetricType::COUNTER, metrics)
}

/// A family of what goes up and down.
pub fn gauge(
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<LabelPair>, f64)>,
) -> MetricFamily {
    let metrics = samples.into_iter().map(|(labels, value)| {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::from_label(labels);
        metric.set_gauge(gauge);
        metric
    });
    family(name, help, MetricType::GAUGE, metrics)
}

/// How long things took: how many ended in each bucket, by the bucket's bound in nanoseconds (see [`crate::stats::buckets`]), and how
/// many nanoseconds all took together.
#[derive(Clone, Copy, Debug)]
pub struct Durations<'a> {
    /// Buckets in which nothing ended may be missing.
    pub buckets: &'a BTreeMap<u64, u64>,
    /// Their sum.
    pub total_nanoseconds: u64,
}

/// A family of durations, in seconds, with the exact counts at few bounds.
pub fn durations<'a>(
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Vec<LabelPair>, Durations<'a>)>,
) -> MetricFamily {
    let metrics = samples.into_iter().map(|(labels, durations)| {
        let mut metric = Metric::from_label(labels);
        metric.set_histogram(histogram(durations));
        metric
    });
    family(name, help, MetricType::HISTOGRAM, metrics)
}

fn histogram(durations: Durations<'_>) -> Histogram {
    let buckets = coarse_bounds().map(|bound| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(bound));
        bucket.set_cumulative_count(durations.buckets.range(..=bound).map(|(_, count)| count).sum());
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_sum(seconds(durations.total_nanoseconds));
    histogram.set_sample_count(durations.buckets.values().sum());
    histogram
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: impl IntoIterator<Item = Metric>,
) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics.into_iter().collect());
    family
}
