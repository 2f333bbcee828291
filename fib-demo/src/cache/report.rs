//! What the log says of a cache that does not do its work: enough to know, and not a line for each request.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::fibonacci::Index;

/// Writes warnings, the first at once and then no more than one in [`INTERVAL`], which says how many were left out. At log level
/// `debug` nothing is left out.
#[derive(Debug)]
pub(super) struct Reporter {
    start: Instant,
    failures: Throttle,
    garbled: Throttle,
}

/// Time between two warnings of one sort.
const INTERVAL: Duration = Duration::from_secs(10);

impl Reporter {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, failures: Throttle::default(), garbled: Throttle::default() }
    }

    /// A call failed.
    pub(super) fn failed(&self, call: &'static str, n: Index, reason: &dyn Display) {
        let n = n.get();
        match self.failures.pass(self.start.elapsed()) {
            Some(left_out) => {
                tracing::warn!(call, n, %reason, left_out, "the cache failed; requests are answered without it");
            }
            None => tracing::debug!(call, n, %reason, "the cache failed"),
        }
    }

    /// A value is no number.
    pub(super) fn garbled(&self, n: Index, value: &str) {
        let n = n.get();
        match self.garbled.pass(self.start.elapsed()) {
            Some(left_out) => tracing::warn!(
                n,
                value,
                left_out,
                "what the cache has is no number, so it is computed again; somebody else writes to its keys"
            ),
            None => tracing::debug!(n, value, "what the cache has is no number"),
        }
    }

    /// It works again.
    pub(super) fn recovered(&self, failures: u32) {
        self.failures.reset();
        tracing::info!(failures, "the cache works again");
    }
}

/// Lets one through in each interval and counts the others.
#[derive(Debug, Default)]
struct Throttle {
    /// In nanoseconds since the start.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Throttle {
    /// How many were left out since the last one that was let through; none if this one is left out, too.
    fn pass(&self, now: Duration) -> Option<u64> {
        let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let next = self.next.load(Relaxed);
        let due = nanoseconds(now) >= next;
        if due && self.next.compare_exchange(next, nanoseconds(now + INTERVAL), Relaxed, Relaxed).is_ok() {
            return Some(self.left_out.swap(0, Relaxed));
        }
        self.left_out.fetch_add(1, Relaxed);
        None
    }

    /// The next one is news.
    fn reset(&self) {
        self.next.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_an_interval_is_let_through_and_the_others_are_counted() {
        let throttle = Throttle::default();
        let second = Duration::from_secs;
        assert_eq!(throttle.pass(second(1)), Some(0));
        assert_eq!(throttle.pass(second(1)), None);
        assert_eq!(throttle.pass(second(10)), None);
        assert_eq!(throttle.pass(second(11)), Some(2));
        assert_eq!(throttle.pass(second(12)), None);
        throttle.reset();
        assert_eq!(throttle.pass(second(12)), Some(1));
    }
}
