//! Counters that many threads add to at once without meeting.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use super::lease;

/// `N` counters, once for each thread that counts. They wrap around, at 2⁶⁴.
///
/// Each thread has a shard of its own and is the only one that writes it, so that an addition is a load and a store. Threads
/// beyond the number of shards share one, with an atomic addition: right as well, only slower.
pub struct Sharded<const N: usize> {
    owned: Box<[Shard<N>]>,
    shared: Shard<N>,
}

/// Aligned to two cache lines, because processors fetch them in pairs.
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

impl<const N: usize> Sharded<N> {
    /// All zero, with a shard for each core and some for threads that wait.
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_shards((cores + 2).min(lease::OWNED))
    }

    fn with_shards(shards: usize) -> Self {
        Self { owned: (0..shards).map(|_| Shard::zero()).collect(), shared: Shard::zero() }
    }

    /// The counters of this thread.
    pub fn mine(&self) -> Mine<'_, N> {
        match self.owned.get(lease::number()) {
            Some(shard) => Mine { counters: &shard.0, alone: true },
            None => Mine { counters: &self.shared.0, alone: false },
        }
    }

    /// What all threads added so far. While they go on counting, two counters may belong to moments that differ a little.
    pub fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for shard in self.owned.iter().chain([&self.shared]) {
            for (sum, counter) in sums.iter_mut().zip(&shard.0) {
                *sum = sum.wrapping_add(counter.load(Relaxed));
            }
        }
        sums
    }
}

impl<const N: usize> Default for Sharded<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Shard<N> {
    fn zero() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Counters that this thread may add to.
pub struct Mine<'a, const N: usize> {
    counters: &'a [AtomicU64; N],
    alone: bool,
}

impl<const N: usize> Mine<'_, N> {
    /// Adds to the counter of this number, below `N`.
    pub fn add(&self, counter: usize, amount: u64) {
        let counter = &self.counters[counter];
        if self.alone {
            // Nobody else writes here: see `lease`.
            counter.store(counter.load(Relaxed).wrapping_add(amount), Relaxed);
        } else {
            counter.fetch_add(amount, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_with_more_threads_than_shards() {
        for shards in [0, 1, 3, lease::OWNED] {
            let counters = Sharded::<2>::with_shards(shards);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for _ in 0..10_000 {
                            counters.mine().add(0, 1);
                            counters.mine().add(1, 3);
                        }
                    });
                }
            });
            assert_eq!(counters.sums(), [80_000, 240_000], "{shards} shards");
        }
    }

    #[test]
    fn what_ended_threads_counted_stays() {
        let counters = Sharded::<1>::new();
        for _ in 0..3 * lease::OWNED {
            thread::scope(|scope| {
                scope.spawn(|| counters.mine().add(0, 1));
            });
        }
        assert_eq!(counters.sums(), [3 * lease::OWNED as u64]);
    }
}
