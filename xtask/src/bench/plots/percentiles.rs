//! Latencies by percentile, a line for each subject; times are on a logarithmic scale, percentiles side by side.

use super::svg::{Anchor, COLORS, GRID, Svg};
use crate::bench::metric::duration;
use crate::bench::page::{measured, percent_name, percentile, percentile_columns};
use crate::bench::raw::{Series, Suite};

const LEFT: f64 = 70.0;
const RIGHT: f64 = 520.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 316.0;

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
    let mut svg = Svg::new(730, 350, &title);
    svg.text((10.0, 16.0), Anchor::Start, &title);

    let values = || curves.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let low = decade_below(values().fold(f64::INFINITY, f64::min));
    let high = decade_below(values().fold(0.0, f64::max)) * 10.0;
    let y = |value: f64| BOTTOM - (value / low).ln() / (high / low).ln() * (BOTTOM - TOP);
    let x = |at: usize| LEFT + (RIGHT - LEFT) * at as f64 / (columns.len().max(2) - 1) as f64;
    let mut decade = low;
    while decade <= high * 1.001 {
        svg.line((LEFT, y(decade)), (RIGHT, y(decade)), GRID, 1.0);
        svg.text((LEFT - 6.0, y(decade)), Anchor::End, &duration(decade));
        decade *= 10.0;
    }
    for (at, &percent) in columns.iter().enumerate() {
        svg.line((x(at), TOP), (x(at), BOTTOM), GRID, 1.0);
        svg.text((x(at), BOTTOM + 14.0), Anchor::Middle, &percent_name(percent));
    }
    for (at, (name, points)) in curves.iter().enumerate() {
        let color = COLORS[at % COLORS.len()];
        let places: Vec<(f64, f64)> = points.iter().map(|&(column, value)| (x(column), y(value))).collect();
        svg.path(&places, color);
        let row = TOP + 8.0 + 20.0 * at as f64;
        svg.line((RIGHT + 20.0, row), (RIGHT + 44.0, row), color, 3.0);
        svg.text((RIGHT + 52.0, row), Anchor::Start, name);
    }
    svg.finish()
}

/// The power of ten at or below `value`, within what latencies can be.
fn decade_below(value: f64) -> f64 {
    10.0_f64.powf(value.clamp(1e-9, 1e3).log10().floor())
}
