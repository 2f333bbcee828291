//! `cargo xtask inspect --gallery`: every shared object of the images `gallery-*`, predicted and observed in all hosts, and in those images themselves, where
//! its libraries are.

mod check;
mod count;
mod exhibits;
mod explained;
mod group;
mod page;
mod report;
mod rounds;
#[cfg(test)]
mod tests;

use anyhow::{Result, bail};

pub(crate) use self::check::check_committed;
pub(super) use self::check::{check_predictions, check_predictions_if_unpacked};
use self::exhibits::{Exhibit, Stand};
use self::report::GalleryReport;
use crate::atomic;
use crate::error::Stop;
use crate::ground::Ground;

/// The least share of observations that are as predicted, in percent: of all, and of those on the files' own architecture.
const GATE: f64 = 99.5;

/// Measures all of it, writes the report, and says how it is.
///
/// # Errors
/// [`Stop::Disagreement`] when a disagreement is not explained, an explanation is for none, or too many disagree: then nothing is written;
/// [`Stop::NotRun`] when a host cannot run here.
pub(super) fn run(ground: &Ground) -> Result<()> {
    let explanations = explained::read(&ground.repository)?;
    let exhibits = exhibits::collect(ground)?;
    let stands = exhibits::stands(&exhibits, ground)?;
    let visits = rounds::observe_all(&stands, &exhibits, ground)?;
    let odd: Vec<_> = visits.iter().flat_map(|visit| visit.odd.clone()).collect();
    let whys = match explained::explain(&odd, &explanations) {
        Ok(whys) => whys,
        Err(problems) => {
            eprintln!("{}", problems.join("\n"));
            bail!(Stop::Disagreement(format!(
                "{} things do not fit ({}); nothing was written",
                problems.len(),
                explained::FILE
            )));
        }
    };
    let report = GalleryReport::of(&stands, &exhibits, &visits, whys);
    if let Some(count) = report.below(GATE) {
        bail!(Stop::Disagreement(format!(
            "{} of {} observations are as predicted, fewer than {GATE} %; nothing was written",
            count.agree, count.cells
        )));
    }
    atomic::write(&ground.repository.join(report::FILE), report.to_json()?.as_bytes())?;
    atomic::write(&ground.repository.join(report::PAGE), page::render(&report).as_bytes())?;
    println!("{}", page::summary(&report));
    println!("Report: {}, from inspect.json beside it.", report::PAGE);
    Ok(())
}

/// The JSON Schema of the report.
pub(super) fn schema_text() -> &'static str {
    include_str!("schema.json")
}

/// The name of what a stand stands in, and of the file that an exhibit is, as the report has them.
fn artifact(exhibit: &Exhibit) -> &str {
    &exhibit.subject.name
}

/// The name of the host that a stand is.
fn host(stand: &Stand) -> &str {
    &stand.place.name
}
