//! How a figure grows with what there is more of: a line for each kind of subject over a logarithmic axis, with the 95 % interval of each median.
//!
//! Values begin at 0; where the largest is more than ten times the smallest, they are on a logarithmic scale, too.

use super::labels::name_ends;
use super::svg::{Anchor, Ink, Svg};
use crate::bench::metric::{Metric, count};
use crate::bench::raw::{Axis, Series, Suite};
use crate::bench::statistics::Estimate;

const LEFT: f64 = 80.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 324.0;
/// Half of the bar at either end of an interval.
const WHISKER: f64 = 4.0;
/// Between two numbers below the axis.
const NUMBER: f64 = 44.0;

/// Plots `metric` along `axis`.
pub(super) fn plot(suite: &Suite, series: &Series, axis: &Axis, metric: Metric) -> String {
    let lines = lines(series, axis, metric);
    let values = Values::over(&lines, metric);
    let better = if metric.more_is_better() { "more is better" } else { "less is better" };
    let scale = if values.logarithmic { ", logarithmic" } else { "" };
    let title = format!("{}, {}: {} ({better}{scale})", suite.name, series.name, metric.label());
    let mut svg = Svg::new(730, 380, &title);
    svg.text((10.0, 16.0), Anchor::Start, &title);

    for mark in &values.marks {
        let y = values.at(*mark);
        svg.line((LEFT, y), (RIGHT, y), Ink::Grid, 1.0);
        let shown = if *mark == 0.0 { "0".to_owned() } else { metric.show(*mark) };
        svg.text((LEFT - 6.0, y), Anchor::End, &shown);
    }
    let places = Places::over(&lines);
    let mut last = f64::MIN;
    for &place in &places.all {
        let x = places.at(place);
        svg.line((x, TOP), (x, BOTTOM), Ink::Grid, 1.0);
        if x - last >= NUMBER {
            svg.text((x, BOTTOM + 14.0), Anchor::Middle, &count(place));
            last = x;
        }
    }
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 38.0), Anchor::Middle, &format!("{} (logarithmic)", axis.of));

    let mut ends = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let ink = Ink::Curve(at);
        for (place, estimate) in &line.points {
            let x = places.at(*place);
            if let Some((low, high)) = estimate.interval {
                let (low, high) = (values.at(low), values.at(high));
                svg.line((x, low), (x, high), ink, 1.5);
                for end in [low, high] {
                    svg.line((x - WHISKER, end), (x + WHISKER, end), ink, 1.5);
                }
            }
        }
        let medians: Vec<(f64, f64)> = line
            .points
            .iter()
            .map(|(place, estimate)| (places.at(*place), values.at(estimate.median)))
            .collect();
        svg.path(&medians, ink);
        ends.extend(medians.last().map(|end| (at, line.name, end.1)));
        for median in medians {
            svg.dot(median, ink);
        }
    }
    name_ends(&mut svg, RIGHT, (TOP, BOTTOM), &ends);
    svg.finish()
}

/// One kind of subject, and what was measured of it at each place, from left to right.
struct Line<'a> {
    name: &'a str,
    points: Vec<(f64, Estimate)>,
}

/// In the order of the axis' points; places without a good sample are left out.
fn lines<'a>(series: &Series, axis: &'a Axis, metric: Metric) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for point in &axis.points {
        let Some(estimate) = Estimate::of_values(&series.values(&point.subject, metric)) else { continue };
        match lines.iter_mut().find(|line| line.name == point.line) {
            Some(line) => line.points.push((point.at, estimate)),
            None => lines.push(Line { name: &point.line, points: vec![(point.at, estimate)] }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    lines
}

/// From numbers to places of the picture, by their logarithms.
struct Places {
    /// Ascending, each once.
    all: Vec<f64>,
}

impl Places {
    fn over(lines: &[Line<'_>]) -> Places {
        let mut all: Vec<f64> =
            lines.iter().flat_map(|line| line.points.iter().map(|(place, _)| *place)).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        Places { all }
    }

    fn at(&self, place: f64) -> f64 {
        let (Some(low), Some(high)) = (self.all.first(), self.all.last()) else { return LEFT };
        if low == high {
            return (LEFT + RIGHT) / 2.0;
        }
        LEFT + (place / low).ln() / (high / low).ln() * (RIGHT - LEFT)
    }
}

/// From values to heights of the picture.
struct Values {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Where lines are drawn.
    marks: Vec<f64>,
}

impl Values {
    fn over(lines: &[Line<'_>], metric: Metric) -> Values {
        let ends = || {
            lines.iter().flat_map(|line| &line.points).flat_map(|(_, estimate)| {
                let (low, high) = estimate.interval.unwrap_or((estimate.median, estimate.median));
                [low, high]
            })
        };
        let lowest = ends().fold(f64::INFINITY, f64::min);
        let highest = ends().fold(0.0, f64::max);
        let unit = metric.unit();
        if lowest > 0.0 && highest > 10.0 * lowest {
            let low = decade(lowest / unit).floor();
            let high = decade(highest / unit).ceil();
            let marks: Vec<f64> =
                (low as i32..=high as i32).map(|power| 10.0_f64.powi(power) * unit).collect();
            let ends = (marks.first().copied().unwrap_or(lowest), marks.last().copied().unwrap_or(highest));
            return Values { low: ends.0, high: ends.1, logarithmic: true, marks };
        }
        let step = step(highest / unit) * unit;
        let steps = (highest / step).ceil().max(1.0);
        let marks = (0..=steps as u32).map(|at| f64::from(at) * step).collect();
        Values { low: 0.0, high: steps * step, logarithmic: false, marks }
    }

    fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        BOTTOM - share * (BOTTOM - TOP)
    }
}

/// The power of ten, not rounded; one that is meant to be whole is.
fn decade(value: f64) -> f64 {
    let power = value.log10();
    if (power - power.round()).abs() < 1e-9 { power.round() } else { power }
}

/// The distance of marks from 0 to `highest`: 1, 2 or 5 and noughts, so that there are three to six.
fn step(highest: f64) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let noughts = 10.0_f64.powf((highest / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * noughts);
    steps.into_iter().find(|step| highest / step <= 6.0).unwrap_or(steps[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let cases = [(0.0, 1.0), (5.5, 1.0), (6.5, 2.0), (97.0, 20.0), (35_000.0, 10_000.0), (31.0, 10.0)];
        for (highest, expected) in cases {
            let step = step(highest);
            assert!((step - expected).abs() < 1e-9 * expected, "{highest}: {step}");
        }
        for highest in (1..2000).map(|at| f64::from(at) * 1e-7) {
            let marks = (highest / step(highest)).ceil();
            assert!((3.0..=6.0).contains(&marks), "{highest}: {marks}");
        }
    }

    #[test]
    fn what_was_measured_at_one_place_alone_is_in_the_middle() {
        let estimate = Estimate { median: 3.0, interval: None, pairs: 1 };
        let lines = [Line { name: "one", points: vec![(64.0, estimate)] }];
        assert_eq!(Places::over(&lines).at(64.0), (LEFT + RIGHT) / 2.0);
        let values = Values::over(&lines, Metric::WallSeconds);
        assert!((values.at(3.0), values.at(0.0)) == (TOP, BOTTOM), "{:?}", values.marks);
    }
}
