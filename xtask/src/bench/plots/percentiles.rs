//! Latencies by percentile, a curve for each subject; times are on a logarithmic scale, percentiles side by side.

use super::labels::{GAP, name_ends};
use super::svg::{Anchor, Ink, Svg};
use crate::bench::metric::duration;
use crate::bench::raw::{Series, Suite};
use crate::bench::report::{measured, percent_name, percentile, percentile_columns};

const LEFT: f64 = 70.0;
const RIGHT: f64 = 520.0;
const TOP: f64 = 44.0;
/// Between the highest and the lowest time, unless there are so many curves that their names need more.
const HEIGHT: f64 = 280.0;

/// Plots the latencies of `series`.
pub(super) fn plot(suite: &Suite, series: &Series) -> String {
    let columns = percentile_columns(series).unwrap_or_default();
    let curves: Vec<(&str, Vec<(usize, f64)>)> = measured(suite, series)
        .map(|subject| {
            let points = columns.iter().enumerate().filter_map(|(at, &percent)| {
                Some((at, percentile(series, &subject.name, percent).filter(|value| *value > 0.0)?))
            });
            (subject.name.as_str(), points.collect())
        })
        .collect();
    let title = format!("{}, {}: latency by percentile", suite.name, series.name);
    let bottom = TOP + HEIGHT.max(GAP * curves.len() as f64);
    let mut svg = Svg::new(730, (bottom + 34.0) as u32, &title);
    svg.text((10.0, 16.0), Anchor::Start, &title);

    let values = || curves.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let marks = marks(values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    let y = |value: f64| bottom - (value / low).ln() / (high / low).ln() * (bottom - TOP);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * at as f64 / (columns.len().max(2) - 1) as f64;
    for mark in marks {
        svg.line((LEFT, y(mark)), (RIGHT, y(mark)), Ink::Grid, 1.0);
        svg.text((LEFT - 6.0, y(mark)), Anchor::End, &duration(mark));
    }
    for (at, &percent) in columns.iter().enumerate() {
        svg.line((x(at), TOP), (x(at), bottom), Ink::Grid, 1.0);
        svg.text((x(at), bottom + 14.0), Anchor::Middle, &percent_name(percent));
    }
    let mut ends = Vec::new();
    for (at, (name, points)) in curves.iter().enumerate() {
        let places: Vec<(f64, f64)> = points.iter().map(|&(column, value)| (x(column), y(value))).collect();
        svg.path(&places, Ink::Curve(at));
        ends.extend(places.last().map(|end| (at, *name, end.1)));
    }
    name_ends(&mut svg, RIGHT, (TOP, bottom), &ends);
    svg.finish()
}

/// Times of 1, 2 or 5 in a decade, or of 1 alone where those would be many, the first at or below `low` and the last at or above `high`.
fn marks(low: f64, high: f64) -> Vec<f64> {
    /// More lines than this are not read.
    const MOST: usize = 13;
    // Within what latencies can be; also if there are none.
    let (low, high) = (low.clamp(1e-9, 1e3), high.clamp(1e-9, 1e3));
    let of = |steps: &[f64]| -> Vec<f64> {
        // Rounding must not move a value below the mark that it is.
        let all: Vec<f64> =
            (-9..=3).flat_map(|decade| steps.iter().map(move |step| step * 10.0_f64.powi(decade))).collect();
        let first = all.iter().rposition(|mark| *mark <= low * 1.0001).unwrap_or(0);
        let last = all.iter().position(|mark| *mark >= high / 1.0001).unwrap_or(all.len() - 1);
        all[first..=last.max(first + 1).min(all.len() - 1)].to_vec()
    };
    let fine = of(&[1.0, 2.0, 5.0]);
    if fine.len() <= MOST { fine } else { of(&[1.0]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_times_around_all_that_was_seen() {
        let shown = |low, high| marks(low, high).iter().map(|mark| duration(*mark)).collect::<Vec<_>>();
        assert_eq!(shown(0.0011, 0.0049), ["1.00 ms", "2.00 ms", "5.00 ms"]);
        assert_eq!(shown(0.001, 0.001), ["1.00 ms", "2.00 ms"]);
        let wide = shown(3e-6, 2.0);
        assert_eq!((wide[0].as_str(), wide[wide.len() - 1].as_str()), ("1.00 µs", "10.0 s"));
        assert!(shown(f64::INFINITY, 0.0).len() > 1);
    }
}
