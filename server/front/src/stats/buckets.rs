//! The buckets of a latency histogram, four to each power of two. Pure.
//!
//! A call is thus known to within a fifth of how long it took, from 64 ns to 17 s, with no search: the bucket follows from the
//! number's own bits.

use std::time::Duration;

/// So many buckets, the last of them without a bound.
pub const COUNT: usize = 1 + ((LAST_EXPONENT - FIRST_EXPONENT) * STEPS) as usize + 1;

/// The first bucket takes all that lasts at most 2⁶ ns: less than any call costs that does something.
const FIRST_EXPONENT: u32 = 6;
/// Beyond 2³⁴ ns, 17 s, it matters no more how long.
const LAST_EXPONENT: u32 = 34;
/// Buckets to each power of two.
const STEPS: u32 = 1 << STEP_BITS;
const STEP_BITS: u32 = 2;

/// The bucket that takes a call of this length, below [`COUNT`].
pub fn index(elapsed: Duration) -> usize {
    let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    // Bounds belong to the bucket below them, as Prometheus has it; one less makes that a matter of the leading bits.
    let below = nanoseconds.saturating_sub(1);
    if below < 1 << FIRST_EXPONENT {
        return 0;
    }
    let exponent = below.ilog2();
    let step = (below >> (exponent - STEP_BITS)) as u32 & (STEPS - 1);
    (1 + (exponent - FIRST_EXPONENT) * STEPS + step).min(COUNT as u32 - 1) as usize
}

/// The longest that a call in this bucket lasted, in nanoseconds; `u64::MAX` for the last bucket.
pub fn bound(index: usize) -> u64 {
    match index {
        0 => 1 << FIRST_EXPONENT,
        _ if index + 1 >= COUNT => u64::MAX,
        _ => {
            let (exponent, step) = ((index as u32 - 1) / STEPS, (index as u32 - 1) % STEPS);
            u64::from(STEPS + step + 1) << (FIRST_EXPONENT + exponent - STEP_BITS)
        }
    }
}

/// Every fourth bound below infinity, in nanoseconds, each twice the one before: enough for a monitoring system, which
/// keeps a series for every bound and every plugin.
pub fn coarse_bounds() -> impl Iterator<Item = u64> {
    (FIRST_EXPONENT..=LAST_EXPONENT).map(|exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_call_lasted_what_its_bucket_says(nanoseconds in any::<u64>()) {
            let at = index(Duration::from_nanos(nanoseconds));
            prop_assert!(nanoseconds <= bound(at));
            prop_assert!(at == 0 || nanoseconds > bound(at - 1));
        }
    }

    #[test]
    fn each_bucket_ends_at_its_bound() {
        for at in 0..COUNT - 1 {
            let bound = bound(at);
            assert_eq!(index(Duration::from_nanos(bound)), at, "{bound} ns");
            assert_eq!(index(Duration::from_nanos(bound + 1)), at + 1, "{bound} ns and one");
        }
        assert_eq!(index(Duration::ZERO), 0);
        assert_eq!(index(Duration::MAX), COUNT - 1);
        assert_eq!(bound(COUNT - 1), u64::MAX);
    }

    #[test]
    fn bounds_grow_by_a_quarter_at_most() {
        let bounds: Vec<u64> = (0..COUNT - 1).map(bound).collect();
        assert_eq!(bounds[..6], [64, 80, 96, 112, 128, 160]);
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] && pair[1] * 4 <= pair[0] * 5));
    }

    #[test]
    fn coarse_bounds_are_bounds() {
        let bounds: Vec<u64> = (0..COUNT).map(bound).collect();
        assert!(coarse_bounds().all(|coarse| bounds.contains(&coarse)));
        assert_eq!(coarse_bounds().last(), Some(bounds[COUNT - 2]));
    }
}
