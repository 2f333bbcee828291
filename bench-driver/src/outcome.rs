//! What was measured.

use serde::{Deserialize, Serialize};

/// One sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Why the sample does not count: answers that were not 2xx (those that wrk counts may be 3xx if they are as long as the right one), errors of sockets,
    /// requests that were never answered, a server that afterwards was gone or wrong or did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Seconds from the server's exec to its first right answer.
    pub start_seconds: f64,
    /// How long was measured.
    pub seconds: f64,
    /// Requests that were answered in that time.
    pub requests: u64,
    /// CPU time of all processes of the server in that time, user and kernel.
    pub cpu_seconds: f64,
    /// The peaks of resident memory of all processes of the server at the end, added up: what they share counts for each.
    pub peak_rss_bytes: u64,
    /// How many processes that are.
    pub processes: usize,
    /// Latencies in seconds by percentile, ascending; 100 is the slowest.
    pub percentiles: Vec<(f64, f64)>,
    /// At a constant rate: the 99th percentile of how late requests were sent that had a connection to be sent on. So much of a latency
    /// may be the generator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_p99_seconds: Option<f64>,
    /// With wrk: the columns of its own table, named by [`crate::WRK_COLUMNS`]; times in seconds, ± in percent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrk: Vec<f64>,
}
