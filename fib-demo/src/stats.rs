//! What is counted, from any thread.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http_front::stats::{Sharded, buckets};
use serde::Serialize;

/// What becomes of computations.
pub(crate) struct ComputeStats {
    counters: Sharded<{ DURATIONS + buckets::COUNT }>,
}

/// What became of computations so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ComputeState {
    /// Computations that began.
    pub begun: u64,
    /// Those that came to a number.
    pub computed: u64,
    /// Those that were stopped, as nobody waited any more.
    pub cancelled: u64,
    /// Those that panicked.
    pub failed: u64,
    /// Those that were given up while they waited for a thread, and so are not among those that began.
    pub withdrawn: u64,
    /// How many of those that came to a number took at most so many nanoseconds, and more than the next lower bound.
    #[serde(skip)]
    pub durations: BTreeMap<u64, u64>,
    /// How many they took together.
    #[serde(skip)]
    pub total_nanoseconds: u64,
}

const BEGUN: usize = 0;
const CANCELLED: usize = 1;
const FAILED: usize = 2;
const WITHDRAWN: usize = 3;
const TOTAL: usize = 4;
/// From here on the buckets. How many came to a number is their sum.
const DURATIONS: usize = 5;

impl ComputeStats {
    pub(crate) fn new() -> Self {
        Self { counters: Sharded::new() }
    }

    pub(crate) fn begun(&self) {
        self.counters.mine().add(BEGUN, 1);
    }

    pub(crate) fn computed(&self, elapsed: Duration) {
        let mine = self.counters.mine();
        mine.add(TOTAL, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        mine.add(DURATIONS + buckets::index(elapsed), 1);
    }

    pub(crate) fn cancelled(&self) {
        self.counters.mine().add(CANCELLED, 1);
    }

    pub(crate) fn failed(&self) {
        self.counters.mine().add(FAILED, 1);
    }

    pub(crate) fn withdrawn(&self) {
        self.counters.mine().add(WITHDRAWN, 1);
    }

    /// What was counted so far. While counting goes on, two numbers may belong to moments that differ a little.
    pub(crate) fn state(&self) -> ComputeState {
        let sums = self.counters.sums();
        let durations = sums[DURATIONS..].iter().enumerate().filter(|(_, count)| **count > 0);
        ComputeState {
            begun: sums[BEGUN],
            computed: sums[DURATIONS..].iter().sum(),
            cancelled: sums[CANCELLED],
            failed: sums[FAILED],
            withdrawn: sums[WITHDRAWN],
            durations: durations.map(|(index, count)| (buckets::bound(index), *count)).collect(),
            total_nanoseconds: sums[TOTAL],
        }
    }
}

/// What becomes of calls of the cache.
pub(crate) struct CacheStats {
    counters: Sharded<CACHE_EVENTS>,
}

/// What may become of a call.
#[derive(Clone, Copy)]
pub(crate) enum CacheEvent {
    Hit,
    Miss,
    Stored,
    Failed,
    TimedOut,
    Garbled,
    Skipped,
}

const CACHE_EVENTS: usize = CacheEvent::Skipped as usize + 1;

/// What became of calls of the cache so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheState {
    /// Numbers that were there.
    pub hits: u64,
    /// Numbers that were not.
    pub misses: u64,
    /// Numbers that were put there.
    pub stored: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were not answered in time.
    pub timed_out: u64,
    /// Values that were there and are no numbers.
    pub garbled: u64,
    /// Calls that were not made, as those before them had failed.
    pub skipped: u64,
}

impl CacheStats {
    pub(crate) fn new() -> Self {
        Self { counters: Sharded::new() }
    }

    pub(crate) fn count(&self, event: CacheEvent) {
        self.counters.mine().add(event as usize, 1);
    }

    /// As [`ComputeStats::state`].
    pub(crate) fn state(&self) -> CacheState {
        let [hits, misses, stored, failed, timed_out, garbled, skipped] = self.counters.sums();
        CacheState { hits, misses, stored, failed, timed_out, garbled, skipped }
    }
}

/// Things that begin and end.
pub(crate) struct Open {
    counters: Sharded<2>,
}

impl Open {
    pub(crate) fn new() -> Self {
        Self { counters: Sharded::new() }
    }

    pub(crate) fn begin(&self) {
        self.counters.mine().add(0, 1);
    }

    pub(crate) fn end(&self) {
        self.counters.mine().add(1, 1);
    }

    /// How many there are.
    pub(crate) fn now(&self) -> u64 {
        let [begun, ended] = self.counters.sums();
        // One may be seen to end before it is seen to begin.
        begun.saturating_sub(ended)
    }
}

impl fmt::Debug for ComputeStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_a_count_of_its_own() {
        let stats = CacheStats::new();
        let events = [
            CacheEvent::Hit,
            CacheEvent::Miss,
            CacheEvent::Stored,
            CacheEvent::Failed,
            CacheEvent::TimedOut,
            CacheEvent::Garbled,
            CacheEvent::Skipped,
        ];
        for (times, event) in (1..).zip(events) {
            (0..times).for_each(|_| stats.count(event));
        }
        let expected =
            CacheState { hits: 1, misses: 2, stored: 3, failed: 4, timed_out: 5, garbled: 6, skipped: 7 };
        assert_eq!(stats.state(), expected);
    }

    #[test]
    fn computations_are_counted_with_their_duration() {
        let stats = ComputeStats::new();
        stats.begun();
        stats.computed(Duration::from_nanos(100));
        stats.begun();
        stats.cancelled();
        stats.begun();
        stats.failed();
        stats.withdrawn();
        let state = stats.state();
        assert_eq!((state.begun, state.computed, state.cancelled), (3, 1, 1));
        assert_eq!((state.failed, state.withdrawn, state.total_nanoseconds), (1, 1, 100));
        assert_eq!(state.durations, BTreeMap::from([(112, 1)]));
    }

    #[test]
    fn what_has_ended_is_not_open() {
        let open = Open::new();
        open.begin();
        open.begin();
        open.end();
        assert_eq!(open.now(), 1);
    }
}
