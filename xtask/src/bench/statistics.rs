//! Ratios of samples, and how far they can be believed.

use super::random::Random;

/// Fewer pairs than this have no 95 % interval: the middle of five can lie outside all of them more often than one time in twenty.
pub(crate) const FEWEST_PAIRS: usize = 6;

const RESAMPLES: usize = 2000;
/// The quantile of the normal distribution that 2.5 % lie above.
const Z: f64 = 1.959_964;

/// How much of one thing there is for one of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    /// The median of the pairs' ratios.
    pub(crate) median: f64,
    /// Bounds of the 95 % interval; `None` with fewer than [`FEWEST_PAIRS`].
    pub(crate) interval: Option<(f64, f64)>,
    /// How many pairs there were.
    pub(crate) pairs: usize,
}

/// A median of pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The median over pairs.
    pub(crate) median: f64,
    /// Bounds of the 95 % interval; `None` with fewer than [`FEWEST_PAIRS`].
    pub(crate) interval: Option<(f64, f64)>,
    /// How many pairs there were.
    pub(crate) pairs: usize,
}

impl Estimate {
    /// The ratio within pairs: what disturbs both sides alike cancels out. `None` without pairs of positive values.
    pub(crate) fn of_ratios(pairs: &[(f64, f64)]) -> Option<Estimate> {
        let positive = pairs.iter().filter(|(one, other)| *one > 0.0 && *other > 0.0);
        Estimate::of(&positive.map(|(one, other)| one / other).collect::<Vec<_>>())
    }

    /// The difference within pairs. `None` without pairs.
    pub(crate) fn of_differences(pairs: &[(f64, f64)]) -> Option<Estimate> {
        Estimate::of(&pairs.iter().map(|(one, other)| one - other).collect::<Vec<_>>())
    }

    /// The values themselves. `None` without any.
    pub(crate) fn of_values(values: &[f64]) -> Option<Estimate> {
        Estimate::of(values)
    }

    /// The interval is bootstrapped over pairs, with the same resamples each time.
    fn of(values: &[f64]) -> Option<Estimate> {
        let middle = median(values)?;
        let interval = (values.len() >= FEWEST_PAIRS).then(|| {
            let mut random = Random::seeded();
            let mut resampled = Resampled::of(values);
            interval(values.len(), || resampled.median(&mut random))
        });
        Some(Estimate { median: middle, interval, pairs: values.len() })
    }
}

/// What can be said of a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The whole interval lies above 1.
    More,
    /// The whole interval lies below 1.
    Less,
    /// The interval contains 1.
    NoDifference,
    /// There is no interval.
    TooFew,
}

impl Ratio {
    /// The ratio of values that were measured in pairs, one right after the other; see [`Estimate::of_ratios`].
    pub(crate) fn of_pairs(pairs: &[(f64, f64)]) -> Option<Ratio> {
        let Estimate { median, interval, pairs } = Estimate::of_ratios(pairs)?;
        Some(Ratio { median, interval, pairs })
    }

    /// The ratio of values from different runs, which are no pairs: that of their medians, each side resampled by itself.
    pub(crate) fn of_groups(ones: &[f64], others: &[f64]) -> Option<Ratio> {
        let middle = median(ones)? / median(others)?;
        if !middle.is_finite() || middle <= 0.0 {
            return None;
        }
        let pairs = ones.len().min(others.len());
        let interval = (pairs >= FEWEST_PAIRS).then(|| {
            let mut random = Random::seeded();
            let (mut ones, mut others) = (Resampled::of(ones), Resampled::of(others));
            interval(pairs, || ones.median(&mut random) / others.median(&mut random))
        });
        Some(Ratio { median: middle, interval, pairs })
    }

    /// What can be said of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.interval {
            None => Verdict::TooFew,
            Some((low, _)) if low > 1.0 => Verdict::More,
            Some((_, high)) if high < 1.0 => Verdict::Less,
            Some(_) => Verdict::NoDifference,
        }
    }

    /// `0.956 (0.941 to 0.972)`.
    pub(crate) fn show(&self) -> String {
        match self.interval {
            Some((low, high)) => {
                format!("{} ({} to {})", show_ratio(self.median), show_ratio(low), show_ratio(high))
            }
            None => show_ratio(self.median),
        }
    }
}

/// A ratio with three decimals, or with as many as it takes for two digits that say how far it is from none or from one.
pub(crate) fn show_ratio(value: f64) -> String {
    let from_one = (value - 1.0).abs();
    let decimals = match value {
        _ if value > 0.0 && value < 0.01 => decimals_of(value),
        _ if from_one > 0.0 && from_one < 0.0005 => decimals_of(from_one),
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Decimals for two digits of something small; at most nine, as below a billionth nobody asks how much it is.
fn decimals_of(value: f64) -> usize {
    (1.0 - value.log10().floor()).min(9.0) as usize
}

/// The bounds between which enough of what `draw` gives lies that the interval covers the truth in 95 of 100 cases.
///
/// That is more than the middle 95 % when `count`, the number of samples drawn from, is small: resamples of few spread less than the truth
/// does. The correction is the expanded percentile interval of Hesterberg, "What Teachers Should Know About the Bootstrap" (2014), section 4.
fn interval(count: usize, mut draw: impl FnMut() -> f64) -> (f64, f64) {
    let mut drawn: Vec<f64> = (0..RESAMPLES).map(|_| draw()).collect();
    drawn.sort_by(f64::total_cmp);
    let samples = count as f64;
    let outside = normal_below(-(samples / (samples - 1.0)).sqrt() * student_quantile(samples - 1.0));
    let at = |fraction: f64| drawn[((RESAMPLES - 1) as f64 * fraction).round() as usize];
    (at(outside), at(1.0 - outside))
}

/// Medians of values that are drawn from others, with repetition: a page has thousands of intervals, so nothing is sorted or allocated for a draw.
struct Resampled {
    sorted: Vec<f64>,
    /// The place of each value among the sorted ones.
    ranks: Vec<usize>,
    /// How often the value of that rank was drawn.
    drawn: Vec<usize>,
}

impl Resampled {
    /// From at least one value.
    fn of(values: &[f64]) -> Resampled {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
        let mut ranks = vec![0; values.len()];
        for (rank, at) in order.iter().enumerate() {
            ranks[*at] = rank;
        }
        let sorted = order.into_iter().map(|at| values[at]).collect();
        Resampled { sorted, drawn: vec![0; ranks.len()], ranks }
    }

    /// The median of as many values as there are.
    fn median(&mut self, random: &mut Random) -> f64 {
        let count = self.ranks.len();
        self.drawn.fill(0);
        for _ in 0..count {
            self.drawn[self.ranks[random.below(count)]] += 1;
        }
        f64::midpoint(self.of_rank((count - 1) / 2), self.of_rank(count / 2))
    }

    /// The value that so many others of those drawn are not above.
    fn of_rank(&self, rank: usize) -> f64 {
        let mut below = 0;
        let place = self.drawn.iter().position(|times| {
            below += times;
            below > rank
        });
        self.sorted[place.unwrap_or(self.sorted.len() - 1)]
    }
}

/// The quantile of Student's distribution that 2.5 % lie above, within 0.01 from five degrees of freedom on; Abramowitz and Stegun, 26.7.5.
fn student_quantile(freedom: f64) -> f64 {
    let z = Z;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

/// The share of a normal distribution below `z`, which is negative, within 1e-7; Abramowitz and Stegun, 26.2.17.
fn normal_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 - 0.231_641_9 * z);
    let polynomial = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530]
        .iter()
        .fold(0.0, |sum, coefficient| sum * t + coefficient)
        * t;
    (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` pairs whose ratios are spread evenly over `center` ± `spread`, beside a drift that both sides share.
    fn pairs(count: u32, center: f64, spread: f64) -> Vec<(f64, f64)> {
        let step = |at: u32| f64::from(at * 7 % count) / f64::from(count - 1) * 2.0 - 1.0;
        (0..count)
            .map(|at| {
                let drift = 1000.0 + 300.0 * f64::from(at);
                (drift * (center + spread * step(at)), drift)
            })
            .collect()
    }

    #[test]
    fn a_small_ratio_is_not_shown_as_none() {
        let cases = [
            (0.9561, "0.956"),
            (12.0, "12.000"),
            (0.0104, "0.010"),
            (0.00042, "0.00042"),
            (0.0000156, "0.000016"),
            (0.0, "0.000"),
            (1e-12, "0.000000000"),
            (1.0, "1.000"),
            (1.00002, "1.000020"),
            (0.99967, "0.99967"),
        ];
        for (value, shown) in cases {
            assert_eq!(show_ratio(value), shown);
        }
    }

    #[test]
    fn a_drift_that_both_sides_share_does_not_matter() {
        let ratio = Ratio::of_pairs(&pairs(20, 0.95, 0.02)).unwrap();
        let (low, high) = ratio.interval.unwrap();
        assert!((ratio.median - 0.95).abs() < 1e-9 && low > 0.93 && high < 0.97 && low < high, "{ratio:?}");
        assert_eq!(ratio.verdict(), Verdict::Less);
        assert_eq!(Ratio::of_pairs(&pairs(20, 1.05, 0.02)).unwrap().verdict(), Verdict::More);
    }

    #[test]
    fn what_lies_around_one_is_no_difference() {
        assert_eq!(Ratio::of_pairs(&pairs(20, 1.001, 0.05)).unwrap().verdict(), Verdict::NoDifference);
        let same: Vec<f64> = pairs(20, 1.0, 0.05).iter().map(|pair| pair.0).collect();
        assert_eq!(Ratio::of_groups(&same, &same).unwrap().verdict(), Verdict::NoDifference);
    }

    #[test]
    fn five_pairs_say_nothing_however_clear_they_look() {
        let ratio = Ratio::of_pairs(&[(2.0, 1.0); 5]).unwrap();
        assert_eq!(
            (ratio.verdict(), ratio.interval, ratio.show().as_str()),
            (Verdict::TooFew, None, "2.000")
        );
        assert_eq!(Ratio::of_pairs(&[]), None);
        assert_eq!(Ratio::of_pairs(&[(1.0, 0.0)]), None);
    }

    #[test]
    fn one_disturbed_round_in_ten_does_not_widen_the_interval() {
        let ratios = |count: u32, last: f64| -> (f64, f64) {
            let quiet = (1..count).map(|at| (1.0 + f64::from(at) / 1000.0, 1.0));
            let pairs: Vec<(f64, f64)> = quiet.chain([(last, 1.0)]).collect();
            Ratio::of_pairs(&pairs).unwrap().interval.unwrap()
        };
        assert_eq!(ratios(6, 2.0), (1.001, 2.0));
        assert!(ratios(10, 2.0).1 < 1.01, "{:?}", ratios(10, 2.0));
        assert!(ratios(10, 0.5).0 > 1.0, "{:?}", ratios(10, 0.5));
    }

    #[test]
    fn resampled_medians_are_those_of_the_values_that_were_drawn() {
        for count in [1, 2, 7, 10] {
            let values: Vec<f64> = (0..count).map(|at| f64::from(at * 3 % 5) + 0.5).collect();
            let (mut random, mut same) = (Random::seeded(), Random::seeded());
            let mut resampled = Resampled::of(&values);
            for _ in 0..100 {
                let drawn: Vec<f64> = values.iter().map(|_| values[same.below(values.len())]).collect();
                assert_eq!(Some(resampled.median(&mut random)), median(&drawn), "{drawn:?}");
            }
        }
    }

    #[test]
    fn an_interval_repeats() {
        let pairs = pairs(12, 0.9, 0.2);
        assert_eq!(Ratio::of_pairs(&pairs), Ratio::of_pairs(&pairs));
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, quantile) in [(5.0, 2.571), (9.0, 2.262), (14.0, 2.145), (39.0, 2.023)] {
            assert!((student_quantile(freedom) - quantile).abs() < 0.01, "{freedom}");
        }
        for (z, share) in [(-1.959_964, 0.025), (-1.0, 0.158_655), (-3.0, 0.001_35)] {
            assert!((normal_below(z) - share).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn differences_are_of_pairs_too() {
        let pairs: Vec<(f64, f64)> =
            (0..10).map(|at| (f64::from(at * 100) + 8.0, f64::from(at * 100))).collect();
        let difference = Estimate::of_differences(&pairs).unwrap();
        assert_eq!((difference.median, difference.interval), (8.0, Some((8.0, 8.0))));
        assert_eq!(Estimate::of_differences(&[]), None);
    }

    #[test]
    fn groups_of_other_runs_are_compared_by_their_medians() {
        let slow: Vec<f64> = (0..10).map(|at| 90.0 + f64::from(at)).collect();
        let fast: Vec<f64> = (0..10).map(|at| 190.0 + f64::from(at)).collect();
        let ratio = Ratio::of_groups(&slow, &fast).unwrap();
        assert!((ratio.median - 94.5 / 194.5).abs() < 1e-9);
        assert_eq!(ratio.verdict(), Verdict::Less);
    }

    /// The interval has to hold what it promises: 95 of 100 times the true ratio, here in samples drawn from a skewed spread.
    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let mut random = Random::seeded();
        let mut covered = 0;
        for _ in 0..200 {
            let pairs: Vec<(f64, f64)> = (0..15)
                .map(|_| {
                    // Median 1, with a long tail upwards.
                    let place = (random.below(10_000) as f64 + 0.5) / 10_000.0;
                    ((place / (1.0 - place)).sqrt(), 1.0)
                })
                .collect();
            let (low, high) = Ratio::of_pairs(&pairs).unwrap().interval.unwrap();
            covered += u32::from(low <= 1.0 && 1.0 <= high);
        }
        assert!((184..=198).contains(&covered), "{covered} of 200");
    }
}
