//! What is printed when a run is done, or two are compared; fits 80 columns.

use std::fmt::Write as _;

use super::compare;
use super::raw::{Series, Suite};
use super::report::{noisy, says};
use super::run::Run;
use super::statistics::Ratio;
use crate::columns::paragraph;

/// The ratios of `run`.
pub(crate) fn summary(run: &Run) -> String {
    let mut text = String::new();
    for suite in &run.suites {
        for series in &suite.series {
            title(&mut text, suite, series, "RATIO (95 % INTERVAL)");
            for comparison in &suite.comparisons {
                for &metric in &series.metrics {
                    let Some(ratio) = series.ratio(comparison, metric) else { continue };
                    row(
                        &mut text,
                        &comparison.label(),
                        metric.label(),
                        &ratio,
                        &says(comparison, metric, &ratio),
                    );
                }
            }
            let failed = series.failures().count();
            if failed > 0 {
                let _ = writeln!(text, "{failed} of {} samples failed.", series.samples.len());
            }
        }
        for place in noisy(suite) {
            paragraph(&mut text, 0, "", &format!("Noisy: {place}; see the rows A/A."));
        }
    }
    text
}

/// What `new` is for one of `old`, subject by subject; runs of different machines are said to be.
pub(crate) fn comparison(old: &Run, new: &Run) -> String {
    let mut text = String::new();
    let names = [old, new].map(|run| run.environment.run_name());
    paragraph(&mut text, 0, "", &format!("{} for each of {}", names[1], names[0]));
    paragraph(&mut text, 2, "", &compare::differ(old, new));
    let rows = compare::rows(old, new);
    if rows.is_empty() {
        text.push_str("They have no suite in common.\n");
        return text;
    }
    let mut above = None;
    for compared in &rows {
        let place = (&compared.suite.name, &compared.series.name);
        if above.replace(place) != Some(place) {
            title(&mut text, compared.suite, compared.series, "NEW / OLD");
        }
        row(&mut text, compared.subject, compared.metric.label(), &compared.ratio, &compared.says());
    }
    text.push('\n');
    paragraph(&mut text, 0, "", compare::CAUTION);
    text
}

fn title(text: &mut String, suite: &Suite, series: &Series, ratio: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n{} {}: {ratio}", suite.name, series.name);
}

/// Two lines, where the names are long.
fn row(text: &mut String, of: &str, what: &str, ratio: &Ratio, says: &str) {
    let head = format!("  {of}, {what}");
    let tail = format!("{} {}", ratio.show(), says);
    match crate::columns::COLUMNS.checked_sub(head.chars().count() + tail.chars().count()) {
        None | Some(0) => {
            let _ = write!(text, "{head}\n{tail:>80}\n");
        }
        Some(gap) => {
            let _ = writeln!(text, "{head}{:gap$}{tail}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::COLUMNS;

    #[test]
    fn a_run_is_summed_up_in_eighty_columns() {
        let text = summary(&super::super::run::tests::sample());
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn runs_are_compared_where_they_meet() {
        let old = super::super::run::tests::sample();
        let mut new = old.clone();
        new.environment.kernel = "6.19.0".into();
        for sample in &mut new.suites[0].series[0].samples {
            for value in sample.values.values_mut() {
                *value *= 1.3;
            }
        }
        let text = comparison(&old, &new);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        insta::assert_snapshot!(text);
        new.suites[0].name = "other".into();
        assert!(comparison(&old, &new).ends_with("They have no suite in common.\n"));
    }
}
