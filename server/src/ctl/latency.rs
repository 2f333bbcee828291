//! Quantiles of a histogram, and times and counts in few letters. Pure.

use std::collections::BTreeMap;

/// The bound in nanoseconds that the share `quantile` of all calls, more than 0 and at most 1, did not exceed. `None` without
/// calls; `u64::MAX` if they took longer than all bounds.
pub(super) fn quantile(histogram: &BTreeMap<u64, u64>, quantile: f64) -> Option<u64> {
    let calls: u64 = histogram.values().sum();
    let rank = ((calls as f64 * quantile).ceil() as u64).max(1);
    let mut below = 0;
    histogram.iter().find_map(|(bound, calls)| {
        below += calls;
        (below >= rank).then_some(*bound)
    })
}

/// A time in at most six letters: `64ns`, `1.02µs`, `17.2s`.
pub(super) fn time(nanoseconds: Option<u64>) -> String {
    match nanoseconds {
        None => "-".to_owned(),
        Some(u64::MAX) => ">17s".to_owned(),
        Some(nanoseconds) => {
            three_digits(nanoseconds as f64, &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)])
        }
    }
}

/// A number in at most five letters: `99999`, `123k`, `1.23M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        _ => three_digits(
            number as f64,
            &[("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18)],
        ),
    }
}

fn three_digits(number: f64, units: &[(&str, f64)]) -> String {
    // A number that would be rounded to 1000 belongs to the next unit.
    let fits = units.iter().find(|(_, unit)| number / unit < 999.5).or(units.last());
    let (unit, size) = fits.copied().unwrap_or(("", 1.0));
    let scaled = number / size;
    let decimals = if size == 1.0 || scaled >= 99.95 {
        0
    } else if scaled >= 9.995 {
        1
    } else {
        2
    };
    format!("{scaled:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_bounds_that_hold() {
        let histogram = BTreeMap::from([(64, 50), (80, 49), (1024, 1)]);
        for (share, expected) in [(0.001, 64), (0.5, 64), (0.51, 80), (0.99, 80), (0.991, 1024), (1.0, 1024)]
        {
            assert_eq!(quantile(&histogram, share), Some(expected), "{share}");
        }
        assert_eq!(quantile(&BTreeMap::new(), 0.5), None);
        assert_eq!(quantile(&BTreeMap::from([(u64::MAX, 1)]), 0.5), Some(u64::MAX));
    }

    #[test]
    fn times_and_counts_are_short() {
        let times = [
            (64, "64ns"),
            (999, "999ns"),
            (1_024, "1.02µs"),
            (99_960, "100µs"),
            (999_600, "1.00ms"),
            (655_360, "655µs"),
            (12_345_678, "12.3ms"),
            (17_179_869_184, "17.2s"),
            (u64::MAX, ">17s"),
        ];
        for (nanoseconds, expected) in times {
            assert_eq!(time(Some(nanoseconds)), expected);
        }
        assert_eq!(time(None), "-");
        for (number, expected) in [
            (0, "0"),
            (99_999, "99999"),
            (123_456, "123k"),
            (999_500, "1.00M"),
            (12_345_678, "12.3M"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(count(number), expected);
        }
    }
}
