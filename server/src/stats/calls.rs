//! The calls of one version of a plugin.

use std::fmt;
use std::time::Duration;

use http_front::stats::{Sharded, buckets};

use crate::plugins::CallsState;

/// Counts calls and how long they took. Recording costs a few nanoseconds and never waits; it is meant for every call.
pub(crate) struct Calls {
    counters: Sharded<{ HISTOGRAM + buckets::COUNT }>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// It gave an error, or something that the contract forbids.
    Failed,
    /// It panicked, which is a failure too.
    Panicked,
}

/// Nanoseconds of all calls together: enough for 584 years.
const TOTAL: usize = 0;
const ERRORS: usize = 1;
const PANICS: usize = 2;
/// From here on the buckets. How many calls there were is their sum.
const HISTOGRAM: usize = 3;

impl Calls {
    /// No calls yet. Takes about a kilobyte for each core.
    pub(crate) fn new() -> Self {
        Self { counters: Sharded::new() }
    }

    /// Counts a call that took `elapsed`.
    pub(crate) fn record(&self, outcome: Outcome, elapsed: Duration) {
        let mine = self.counters.mine();
        mine.add(TOTAL, u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        mine.add(HISTOGRAM + buckets::index(elapsed), 1);
        match outcome {
            Outcome::Ok => {}
            Outcome::Failed => mine.add(ERRORS, 1),
            Outcome::Panicked => {
                mine.add(ERRORS, 1);
                mine.add(PANICS, 1);
            }
        }
    }

    /// What was counted so far.
    pub(crate) fn state(&self) -> CallsState {
        let sums = self.counters.sums();
        let buckets = &sums[HISTOGRAM..];
        CallsState {
            calls: buckets.iter().sum(),
            errors: sums[ERRORS],
            panics: sums[PANICS],
            total_ns: sums[TOTAL],
            histogram: buckets
                .iter()
                .enumerate()
                .filter(|(_, calls)| **calls > 0)
                .map(|(index, calls)| (buckets::bound(index), *calls))
                .collect(),
        }
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hint::black_box;
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn calls_are_counted_by_outcome_and_length() {
        let calls = Calls::new();
        assert_eq!(calls.state().calls, 0);
        for (outcome, nanoseconds) in
            [(Outcome::Ok, 1), (Outcome::Ok, 1_000), (Outcome::Failed, 1_001), (Outcome::Panicked, u64::MAX)]
        {
            calls.record(outcome, Duration::from_nanos(nanoseconds));
        }
        let state = calls.state();
        assert_eq!((state.calls, state.errors, state.panics), (4, 2, 1));
        assert_eq!(state.histogram, BTreeMap::from([(64, 1), (1024, 2), (u64::MAX, 1)]));
    }

    #[test]
    fn all_threads_are_added_up() {
        let calls = Calls::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| calls.record(Outcome::Ok, Duration::from_micros(1))));
            }
        });
        assert_eq!((calls.state().calls, calls.state().total_ns), (4_000, 4_000_000));
    }

    /// A measurement, not a check: `cargo test --release -p server --lib record_costs -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures; run it by hand, in the release profile"]
    fn record_costs() {
        const CALLS: u32 = 20_000_000;
        for threads in [1, 2] {
            let calls = Calls::new();
            let started = Instant::now();
            thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for call in 0..CALLS {
                            let elapsed = Duration::from_nanos(u64::from(call & 0xffff));
                            black_box(&calls).record(black_box(Outcome::Ok), black_box(elapsed));
                        }
                    });
                }
            });
            let each = started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS);
            assert_eq!(calls.state().calls, u64::from(CALLS) * threads);
            println!("{threads} threads: {each:.2} ns for each record");
        }
    }
}
