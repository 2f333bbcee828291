//! Two runs, set against each other where they meet.

use super::metric::Metric;
use super::raw::{Comparison, Series, Suite};
use super::report::says;
use super::run::Run;
use super::statistics::Ratio;

/// What intervals between runs do not hold.
pub(crate) const CAUTION: &str = "Samples of different runs are no pairs: a ratio here is that of their medians, and its interval holds how samples vary within each run, not \
     what was different about the machine on another day. Of a hundred rows in which nothing differs, about five look as if something did.";

/// What a subject of the newer run is for one of the older.
#[derive(Debug)]
pub(crate) struct Compared<'a> {
    /// Where both were measured.
    pub(crate) suite: &'a Suite,
    /// In which way.
    pub(crate) series: &'a Series,
    /// What.
    pub(crate) subject: &'a str,
    /// Which figure of it.
    pub(crate) metric: Metric,
    /// Newer / older.
    pub(crate) ratio: Ratio,
}

impl Compared<'_> {
    /// The ratio in words.
    pub(crate) fn says(&self) -> String {
        // Another name than the subject's: this is no A/A row.
        let pair = Comparison { subject: self.subject.to_owned(), against: String::new() };
        says(&pair, self.metric, &self.ratio)
    }
}

/// Everything that both runs have measured, in the order of `new`.
pub(crate) fn rows<'a>(old: &Run, new: &'a Run) -> Vec<Compared<'a>> {
    let mut rows = Vec::new();
    for (suite, series) in all_series(new) {
        let earlier =
            all_series(old).find(|(one, other)| one.name == suite.name && other.name == series.name);
        let Some((_, earlier)) = earlier else { continue };
        for subject in &suite.subjects {
            for &metric in &series.metrics {
                let values = |series: &Series| series.values(&subject.name, metric);
                let Some(ratio) = Ratio::of_groups(&values(series), &values(earlier)) else { continue };
                rows.push(Compared { suite, series, subject: &subject.name, metric, ratio });
            }
        }
    }
    rows
}

/// What is said of the machine and the inputs, without what differs between any two runs.
pub(crate) fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let mut facts = run.environment.rows();
    facts.retain(|(name, _)| !["command", "load average before"].contains(name));
    facts
}

/// In what machine and inputs of both are said to differ.
pub(crate) fn differ(old: &Run, new: &Run) -> String {
    let differing: Vec<String> = facts(old)
        .into_iter()
        .zip(facts(new))
        .filter(|(one, other)| one != other)
        .map(|((name, one), (_, other))| format!("{name} ({one}; {other})"))
        .collect();
    if differing.is_empty() {
        return "Nothing is said to differ in machine and inputs.".to_owned();
    }
    format!("They differ in: {}.", differing.join(", "))
}

fn all_series(run: &Run) -> impl Iterator<Item = (&Suite, &Series)> {
    run.suites.iter().flat_map(|suite| suite.series.iter().map(move |series| (suite, series)))
}
