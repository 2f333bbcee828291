//! What is counted, from any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What became of computations.
#[derive(Debug, Default)]
pub(crate) struct ComputeStats {
    begun: Counter,
    computed: Counter,
    cancelled: Counter,
    withdrawn: Counter,
    failed: Counter,
    durations: Histogram,
}

/// What became of computations so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComputeState {
    /// Computations that began.
    pub begun: u64,
    /// Those that came to a number.
    pub computed: u64,
    /// Those that were stopped, as nobody waited any more.
    pub cancelled: u64,
    /// Those that were given up while they waited for a thread.
    pub withdrawn: u64,
    /// Those that panicked.
    pub failed: u64,
    /// How long those that came to a number took.
    pub durations: Durations,
}

impl ComputeStats {
    pub(crate) fn begun(&self) {
        self.begun.add();
    }

    pub(crate) fn computed(&self, elapsed: Duration) {
        self.durations.add(elapsed);
        self.computed.add();
    }

    pub(crate) fn cancelled(&self) {
        self.cancelled.add();
    }

    pub(crate) fn withdrawn(&self) {
        self.withdrawn.add();
    }

    pub(crate) fn failed(&self) {
        self.failed.add();
    }

    /// What was counted so far. Counters that are read later may be ahead of those that are read first.
    pub(crate) fn state(&self) -> ComputeState {
        ComputeState {
            begun: self.begun.get(),
            computed: self.computed.get(),
            cancelled: self.cancelled.get(),
            withdrawn: self.withdrawn.get(),
            failed: self.failed.get(),
            durations: self.durations.state(),
        }
    }
}

/// What became of calls of the cache.
#[derive(Debug, Default)]
pub(crate) struct CacheStats {
    hits: Counter,
    misses: Counter,
    stored: Counter,
    errors: Counter,
    timeouts: Counter,
    garbled: Counter,
    skipped: Counter,
}

/// What became of calls of the cache so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheState {
    /// Numbers that were there.
    pub hits: u64,
    /// Numbers that were not.
    pub misses: u64,
    /// Numbers that were put there.
    pub stored: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls that were not answered in time.
    pub timeouts: u64,
    /// Values that were there and are no numbers.
    pub garbled: u64,
    /// Calls that were not made, as those before them had failed.
    pub skipped: u64,
}

impl CacheStats {
    pub(crate) fn hit(&self) {
        self.hits.add();
    }

    pub(crate) fn miss(&self) {
        self.misses.add();
    }

    pub(crate) fn stored(&self) {
        self.stored.add();
    }

    pub(crate) fn error(&self) {
        self.errors.add();
    }

    pub(crate) fn timeout(&self) {
        self.timeouts.add();
    }

    pub(crate) fn garbled(&self) {
        self.garbled.add();
    }

    pub(crate) fn skipped(&self) {
        self.skipped.add();
    }

    /// What was counted so far.
    pub(crate) fn state(&self) -> CacheState {
        CacheState {
            hits: self.hits.get(),
            misses: self.misses.get(),
            stored: self.stored.get(),
            errors: self.errors.get(),
            timeouts: self.timeouts.get(),
            garbled: self.garbled.get(),
            skipped: self.skipped.get(),
        }
    }
}

/// Aligned to two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Buckets with a bound; there is one more without.
const BOUNDED: usize = 28;

/// The bounds of a histogram's buckets: 1 µs, 2 µs, 4 µs and so on to 134 s.
pub fn bounds() -> impl Iterator<Item = Duration> {
    (0..BOUNDED).map(|bucket| Duration::from_micros(1 << bucket))
}

/// So many durations of each size.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDED + 1],
    nanoseconds: AtomicU64,
}

/// What a histogram holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many lasted at most as long as the bound of that bucket and longer than the one before; the last has no bound.
    pub buckets: [u64; BOUNDED + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Histogram {
    fn add(&self, elapsed: Duration) {
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanoseconds)].fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    fn state(&self) -> Durations {
        Durations {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].load(Relaxed)),
            sum: Duration::from_nanos(self.nanoseconds.load(Relaxed)),
        }
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let microseconds = nanoseconds.div_ceil(1_000);
    match microseconds {
        0 | 1 => 0,
        // A bound belongs to the bucket below it.
        _ => ((microseconds - 1).ilog2() as usize + 1).min(BOUNDED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_its_bound() {
        for (at, bound) in bounds().enumerate() {
            let nanoseconds = u64::try_from(bound.as_nanos()).unwrap();
            assert_eq!(bucket(nanoseconds), at, "{bound:?}");
            assert_eq!(bucket(nanoseconds + 1), at + 1, "{bound:?} and more");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BOUNDED));
        let histogram = Histogram::default();
        histogram.add(Duration::from_micros(3));
        histogram.add(Duration::from_secs(10_000));
        let state = histogram.state();
        assert_eq!((state.count(), state.buckets[2], state.buckets[BOUNDED]), (2, 1, 1));
        assert_eq!(state.sum, Duration::from_micros(10_000_000_003));
    }
}
