//! How long to wait before the next attempt to connect.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause after the first failed attempt; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(50);

/// The pause after so many failed attempts, at most `longest`. `random` shortens it by up to half, so that clients that lost the
/// same Redis do not come back in step.
pub fn pause(failed: u32, longest: Duration, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
    let half = doubled.min(longest) / 2;
    half + half.mul_f64(random as f64 / u64::MAX as f64)
}

/// A number that differs from call to call and from process to process.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let longest = Duration::from_secs(5);
        let full: Vec<u128> = [1, 2, 3, 8, 9, 33, 1_000]
            .iter()
            .map(|failed| pause(*failed, longest, u64::MAX).as_millis())
            .collect();
        assert_eq!(full, [50, 100, 200, 5_000, 5_000, 5_000, 5_000]);
        assert_eq!(pause(3, longest, 0).as_millis(), 100);
        assert_eq!(pause(3, longest, u64::MAX / 2).as_millis(), 150);
        assert_eq!(pause(1, Duration::from_millis(1), u64::MAX), Duration::from_millis(1));
        assert_ne!(random(), random());
    }
}
