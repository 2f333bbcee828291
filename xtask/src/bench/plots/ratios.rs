//! Ratios with their intervals, each a row, on one logarithmic scale.

use super::svg::{Anchor, COLORS, Ink, Svg};
use crate::bench::metric::Metric;
use crate::bench::raw::{Series, Suite};
use crate::bench::statistics::Ratio;

const LABELS: f64 = 230.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 44.0;
const ROW: f64 = 24.0;

/// Marks of the scale that are drawn if they lie within it.
const MARKS: [f64; 17] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 2.0, 5.0, 10.0, 20.0];

/// Plots the ratios of `metric`.
pub(super) fn plot(suite: &Suite, series: &Series, metric: Metric) -> String {
    let rows: Vec<(String, Ratio)> = suite
        .comparisons
        .iter()
        .filter_map(|comparison| Some((comparison.label(), series.ratio(comparison, metric)?)))
        .collect();
    let better = if metric.more_is_better() { "more is better" } else { "less is better" };
    let title = format!("{}, {}: ratio of {} ({better})", suite.name, series.name, metric.label());
    let bottom = TOP + ROW * rows.len() as f64;
    let mut svg = Svg::new(730, (bottom + 34.0) as u32, &title);
    svg.text((10.0, 16.0), Anchor::Start, &title);

    let scale = Scale::over(&rows);
    // Marks that would lie on each other are left out, but never the one at 1.
    let mut last = f64::MIN;
    for mark in MARKS.into_iter().filter(|&mark| scale.contains(mark)) {
        let at = scale.at(mark);
        let near_one = mark != 1.0 && (at - scale.at(1.0)).abs() < 30.0;
        if near_one || at - last < 30.0 && mark != 1.0 {
            continue;
        }
        last = at;
        svg.line((at, TOP - 8.0), (at, bottom), Ink::Grid, if mark == 1.0 { 2.0 } else { 1.0 });
        svg.text((at, bottom + 14.0), Anchor::Middle, &format!("{mark}"));
    }
    for (at, (label, ratio)) in rows.iter().enumerate() {
        let y = TOP + ROW * (at as f64 + 0.5);
        // Names stand beside: colours only help the eye along a row, and dashes would look like gaps.
        let ink = Ink::Curve(at % COLORS);
        svg.text((LABELS - 10.0, y), Anchor::End, label);
        if let Some((low, high)) = ratio.interval {
            svg.line((scale.at(low), y), (scale.at(high), y), ink, 3.0);
        }
        svg.dot((scale.at(ratio.median), y), ink);
    }
    svg.finish()
}

/// From ratios to places, by their logarithms.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn over(rows: &[(String, Ratio)]) -> Scale {
        let mut scale = Scale { low: 0.95, high: 1.05 };
        for (_, ratio) in rows {
            let (low, high) = ratio.interval.unwrap_or((ratio.median, ratio.median));
            scale.low = scale.low.min(low / 1.02);
            scale.high = scale.high.max(high * 1.02);
        }
        scale
    }

    fn contains(&self, ratio: f64) -> bool {
        (self.low..=self.high).contains(&ratio)
    }

    fn at(&self, ratio: f64) -> f64 {
        LABELS + (ratio / self.low).ln() / (self.high / self.low).ln() * (RIGHT - LABELS)
    }
}
