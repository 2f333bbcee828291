//! Plots of a run, as SVG without scripts, fonts or anything from a network; readable on a light and on a dark page.

mod labels;
mod percentiles;
mod ratios;
mod scaling;
mod svg;

use std::collections::BTreeMap;

pub(crate) use self::svg::STYLE;
use super::metric::Metric;
use super::raw::{Series, Suite};
use super::report;
use super::run::Run;

/// Every plot, by file name.
pub(crate) fn of_run(run: &Run) -> BTreeMap<String, String> {
    let mut plots = BTreeMap::new();
    for suite in &run.suites {
        for series in &suite.series {
            for &metric in &series.metrics {
                if has_ratios(suite, series, metric) {
                    plots.insert(ratios_name(suite, series, metric), ratios::plot(suite, series, metric));
                }
            }
            if let Some(axis) = &series.axis {
                for &metric in &series.metrics {
                    let plot = scaling::plot(suite, series, axis, metric);
                    plots.insert(scaling_name(suite, series, metric), plot);
                }
            }
            if report::percentile_columns(series).is_some() {
                plots.insert(percentiles_name(suite, series), percentiles::plot(suite, series));
            }
        }
    }
    plots
}

/// A plot as a part of a page that has [`STYLE`] in its own.
pub(crate) fn inline(plot: &str) -> String {
    plot.replace(&format!("<style>{STYLE}</style>\n"), "")
}

/// Whether there is any pair to plot.
pub(crate) fn has_ratios(suite: &Suite, series: &Series, metric: Metric) -> bool {
    suite.comparisons.iter().any(|comparison| series.has_ratio(comparison, metric))
}

/// The file of the ratios of one metric.
pub(crate) fn ratios_name(suite: &Suite, series: &Series, metric: Metric) -> String {
    name(&[&suite.name, &series.name, metric.label()])
}

/// The file of the latencies.
pub(crate) fn percentiles_name(suite: &Suite, series: &Series) -> String {
    name(&[&suite.name, &series.name, "latency"])
}

/// The file of one metric along the axis of its series.
pub(crate) fn scaling_name(suite: &Suite, series: &Series, metric: Metric) -> String {
    name(&[&suite.name, &series.name, "scaling", metric.label()])
}

/// A file name without anything that a link would have to escape.
fn name(parts: &[&str]) -> String {
    let letters = parts.join("-").to_lowercase();
    let words = letters.split(|one: char| !one.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    format!("{}.svg", words.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_what_they_were() {
        let plots = of_run(&super::super::run::tests::sample());
        let names: Vec<&str> = plots.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "server-saturation-cpu-per-request.svg",
                "server-saturation-latency.svg",
                "server-saturation-requests-s.svg"
            ]
        );
        insta::assert_snapshot!("ratios", plots[names[0]]);
        insta::assert_snapshot!("percentiles", plots[names[1]]);
    }

    #[test]
    fn what_has_an_axis_is_plotted_along_it() {
        let mut run = super::super::run::tests::sample();
        run.suites = vec![super::super::raw::tests::along_an_axis()];
        let plots = of_run(&run);
        let names: Vec<&str> = plots.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["scale-plugins-scaling-cpu-per-request.svg", "scale-plugins-scaling-peak-rss.svg"]
        );
        insta::assert_snapshot!("scaling-logarithmic", plots[names[0]]);
        insta::assert_snapshot!("scaling-from-0", plots[names[1]]);
    }
}
