//! Goes through all stands: what is predicted of each file there, and what is observed.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::exhibits::{Exhibit, Stand};
use super::group::Finding;
use super::report::Example;
use super::{artifact, host};
use crate::ground::Ground;
use crate::inspect::cell::{Cell, Observed};
use crate::inspect::look::look;
use crate::inspect::predict;
use crate::inspect::subject::Subject;
use crate::workers;

/// What was found at one stand.
pub(super) struct Visit {
    /// The version of its C library.
    pub(super) libc_version: Option<String>,
    /// What became of each file that it shows, in their order.
    pub(super) findings: Vec<Finding>,
    /// The cells that disagree, whole.
    pub(super) odd: Vec<Cell>,
    /// The first sentence of each code.
    pub(super) examples: BTreeMap<String, Example>,
}

/// Predicts and observes at every stand, as many at once as there are processors.
pub(super) fn observe_all(stands: &[Stand], exhibits: &[Exhibit], ground: &Ground) -> Result<Vec<Visit>> {
    let total: usize = stands.iter().map(|stand| stand.shows.len()).sum();
    let bar = ground.progress.long_bar(total as u64, "open every file");
    let on_seen: &(dyn Fn(usize) + Sync) = &|count| bar.inc(count as u64);
    all(stands, |stand| {
        let visit = visit(stand, exhibits, Some((ground, on_seen)))?;
        eprintln!(
            "{}: {} of {} agree",
            host(stand),
            visit.findings.len() - visit.odd.len(),
            visit.findings.len()
        );
        Ok(visit)
    })
}

/// Predicts at every stand, and observes nothing.
pub(super) fn predict_all(stands: &[Stand], exhibits: &[Exhibit]) -> Result<Vec<Visit>> {
    all(stands, |stand| visit(stand, exhibits, None))
}

/// Does `work` for every stand; the results come in their order.
fn all<T: Send>(stands: &[Stand], work: impl Fn(&Stand) -> Result<T> + Sync) -> Result<Vec<T>> {
    workers::each(stands.len(), |at| work(&stands[at]).with_context(|| host(&stands[at]).to_owned()))
}

/// One stand. With a ground it also observes, and says how many files are done.
fn visit(stand: &Stand, exhibits: &[Exhibit], observing: Option<(&Ground, &dyn Fn(usize))>) -> Result<Visit> {
    let subjects: Vec<&Subject> = stand.shows.iter().map(|at| &exhibits[*at].subject).collect();
    let (verdicts, libc_version) = predict(&stand.place, &subjects)?;
    let seen = observing.map(|(ground, on_seen)| look(&stand.place, &subjects, &verdicts, ground, on_seen));
    let seen: Option<Vec<Observed>> = seen.transpose()?;
    let mut visit = Visit { libc_version, findings: Vec::new(), odd: Vec::new(), examples: BTreeMap::new() };
    for (at, exhibit) in stand.shows.iter().map(|at| &exhibits[*at]).enumerate() {
        let seen = seen.as_ref().map(|seen| &seen[at]);
        let cell = Cell::of(host(stand), &exhibit.subject, &verdicts[at], seen);
        for reason in &cell.reasons {
            visit.examples.entry(reason.code.clone()).or_insert_with(|| Example {
                code: reason.code.clone(),
                text: reason.text.clone(),
                artifact: artifact(exhibit).to_owned(),
                host: host(stand).to_owned(),
            });
        }
        visit.findings.push(Finding::of(&cell));
        if cell.agree == Some(false) {
            visit.odd.push(cell);
        }
    }
    Ok(visit)
}
