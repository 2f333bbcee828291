//! What the daemon counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::StoreError;
use http_front::metrics::{MetricFamily, counter, gauge, label};

/// Counters; each is only added to, unless it says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers of the API by class of status, 1xx first.
    pub(crate) answers: [AtomicU64; 5],
    /// Requests without the right to what they asked for.
    pub(crate) denied: AtomicU64,
    /// Transactions that the disk has, or Redis.
    pub(crate) commits: AtomicU64,
    /// Changes in them.
    pub(crate) changes: AtomicU64,
    pub(crate) publications: AtomicU64,
    pub(crate) bases: AtomicU64,
    /// Set: the last publication's number.
    pub(crate) generation: AtomicU64,
    /// Set: records of the delta.
    pub(crate) delta: AtomicU64,
    /// Nanoseconds that all publications took together.
    pub(crate) publishing: AtomicU64,
    /// Questions of resolvers.
    pub(crate) questions: AtomicU64,
    /// What does not work at this moment, by part.
    troubles: Mutex<Vec<(&'static str, String)>>,
}

impl Tally {
    /// A part does not work, for this reason. The log has it once, however often it is found.
    pub(crate) fn trouble(&self, part: &'static str, reason: String) {
        let mut troubles = self.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if troubles.iter().any(|known| *known == (part, reason.clone())) {
            return;
        }
        tracing::error!(part, reason, "does not work");
        troubles.retain(|(known, _)| *known != part);
        troubles.push((part, reason));
    }

    /// The store could not be read. That a copy has nothing to show yet is told by whoever fills it.
    pub(crate) fn store_failed(&self, error: &StoreError) {
        if let StoreError::Database(error) = error {
            self.trouble("store", error.to_string());
        }
    }

    /// A part works.
    pub(crate) fn well(&self, part: &'static str) {
        let mut troubles = self.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = troubles.len();
        troubles.retain(|(known, _)| *known != part);
        if troubles.len() != before {
            tracing::info!(part, "works again");
        }
    }

    /// What does not work.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let troubles = self.troubles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        troubles.iter().map(|(part, reason)| format!("{part}: {reason}")).collect()
    }

    pub(crate) fn answered(&self, status: u16) {
        if let Some(class) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            add(class, 1);
        }
    }

    /// As Prometheus metrics.
    pub(crate) fn metrics(&self, entries: u64, started: f64) -> Vec<MetricFamily> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let single = |number: &AtomicU64| [(vec![], get(number))];
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let answers = classes.into_iter().zip(&self.answers);
        vec![
            gauge(
                "backend_build_info",
                "Always 1; the version of the daemon is in the label.",
                [(vec![label("version", env!("CARGO_PKG_VERSION"))], 1.0)],
            ),
            gauge("process_start_time_seconds", "When the process started, since 1970.", [(vec![], started)]),
            gauge("backend_entries", "Entries of the map.", [(vec![], entries as f64)]),
            counter(
                "backend_http_responses_total",
                "Answers of the API, by class of status.",
                answers.map(|(class, count)| (vec![label("status", class)], get(count))),
            ),
            counter(
                "backend_denied_total",
                "Requests without the right token or user.",
                single(&self.denied),
            ),
            counter(
                "backend_commits_total",
                "Transactions that the disk has, or Redis.",
                single(&self.commits),
            ),
            counter("backend_changes_total", "Changes in them.", single(&self.changes)),
            counter("backend_publications_total", "Publications.", single(&self.publications)),
            counter("backend_bases_total", "Publications with a new base.", single(&self.bases)),
            gauge(
                "backend_generation",
                "The number of the last publication.",
                [(vec![], get(&self.generation) as f64)],
            ),
            gauge("backend_delta_records", "Records of its delta.", [(vec![], get(&self.delta) as f64)]),
            gauge(
                "backend_publishing_seconds_total",
                "What all publications took together, bases not counted.",
                [(vec![], Duration::from_nanos(get(&self.publishing)).as_secs_f64())],
            ),
            counter("backend_questions_total", "Questions of resolvers.", single(&self.questions)),
            gauge(
                "backend_healthy",
                "1 if everything works, else 0.",
                [(vec![], f64::from(u8::from(self.troubles().is_empty())))],
            ),
        ]
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
