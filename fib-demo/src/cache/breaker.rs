//! Whether the cache is worth a try.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// After some failures in a row, one call in a second is let through, to see whether the cache is back; the others go
/// without it at once, instead of each waiting for its time-out.
#[derive(Debug)]
pub(super) struct Breaker {
    start: Instant,
    /// In a row.
    failures: AtomicU32,
    /// When the next call may be made, in nanoseconds since the start.
    next_try: AtomicU64,
}

/// Failures in a row after which the cache is left alone.
pub(super) const FAILURES: u32 = 5;
/// How long it is then.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

impl Breaker {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, failures: AtomicU32::new(0), next_try: AtomicU64::new(0) }
    }

    /// Whether a call may be made now.
    pub(super) fn admits(&self) -> bool {
        // All is well nearly always, and then this is all it costs.
        self.failures.load(Relaxed) < FAILURES || self.admits_at(self.start.elapsed())
    }

    fn admits_at(&self, now: Duration) -> bool {
        let next_try = self.next_try.load(Relaxed);
        // Only one of those who see that it is time makes a try.
        nanoseconds(now) >= next_try
            && self.next_try.compare_exchange(next_try, nanoseconds(now + PAUSE), Relaxed, Relaxed).is_ok()
    }

    /// A call went well. Gives how many had failed before it, if the cache was left alone for that.
    pub(super) fn succeeded(&self) -> Option<u32> {
        if self.failures.load(Relaxed) == 0 {
            return None;
        }
        Some(self.failures.swap(0, Relaxed)).filter(|failures| *failures >= FAILURES)
    }

    /// A call failed.
    pub(super) fn failed(&self) {
        self.failed_at(self.start.elapsed());
    }

    fn failed_at(&self, now: Duration) {
        self.next_try.fetch_max(nanoseconds(now + PAUSE), Relaxed);
        // Afterwards, so that whoever sees the failures sees when to try again.
        let _ = self.failures.fetch_update(Relaxed, Relaxed, |failures| failures.checked_add(1));
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn one_call_a_second_is_made_once_several_failed() {
        let breaker = Breaker::new(Instant::now());
        for _ in 0..FAILURES {
            assert!(breaker.admits());
            breaker.failed_at(second(10));
        }
        assert!(!breaker.admits_at(second(10)));
        assert!(breaker.admits_at(second(11)));
        assert!(!breaker.admits_at(second(11)), "one is enough");
        breaker.failed_at(second(12));
        assert!(!breaker.admits_at(second(12)));
        assert!(breaker.admits_at(second(13)));
        assert_eq!(breaker.succeeded(), Some(FAILURES + 1));
        assert!(breaker.admits() && breaker.admits());
        assert_eq!(breaker.succeeded(), None);
    }

    #[test]
    fn a_failure_now_and_then_does_not_matter() {
        let breaker = Breaker::new(Instant::now());
        for _ in 0..100 {
            for _ in 1..FAILURES {
                breaker.failed();
            }
            assert!(breaker.admits());
            assert_eq!(breaker.succeeded(), None);
        }
    }

    #[test]
    fn an_answer_that_never_comes_does_not_close_it_for_ever() {
        let breaker = Breaker::new(Instant::now());
        (0..FAILURES).for_each(|_| breaker.failed_at(second(0)));
        // The client of the request that made the try went away.
        assert!(breaker.admits_at(second(1)));
        assert!(breaker.admits_at(second(2)));
    }
}
