//! Whether the committed report is what its sources give.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::exhibits;
use super::group::Finding;
use super::report::{FILE, GalleryReport, PAGE, RENEW};
use super::{GATE, explained, host, page, rounds, schema_text};
use crate::error::Stop;
use crate::ground::Ground;
use crate::images;
use crate::inspect::schema::violations;
use crate::rendered;

/// Compares what can be told without any image: the page with the report, the report with its schema, the locks of the images and the
/// explanations.
///
/// # Errors
/// [`Stop::Disagreement`] naming what is stale.
pub(crate) fn check_committed(ground: &Ground) -> Result<()> {
    let report = GalleryReport::committed(&ground.repository)?;
    let file = ground.repository.join(FILE);
    rendered::check(&file, &report.to_json()?, RENEW)?;
    rendered::check(&ground.repository.join(PAGE), &page::render(&report), RENEW)?;
    let stale = |difference: String| Err(rendered::stale(&file, &difference, RENEW));
    let value: Value = serde_json::from_str(&fs::read_to_string(&file).context(FILE)?).context(FILE)?;
    let schema: Value = serde_json::from_str(schema_text()).context("the schema")?;
    if let Some(violation) = violations(&value, &schema).first() {
        return stale(format!("not of its schema: {violation}"));
    }
    let locked = images::locked_digests(&ground.images)?;
    for row in &report.hosts {
        if locked.get(&row.image) != Some(&row.image_digest) {
            return stale(format!("{} was another image", row.name));
        }
    }
    match explained::explain(&report.disagreements, &explained::read(&ground.repository)?) {
        Err(problems) => return stale(problems.join("; ")),
        Ok(whys) => {
            let is_told =
                |(disagreement, why): (&super::report::Disagreement, &String)| disagreement.why == *why;
            if !report.disagreements.iter().zip(&whys).all(is_told) {
                return stale(format!("{} explains otherwise", explained::FILE));
            }
        }
    }
    let total = report.total();
    if total.percent() < GATE {
        return stale(format!("{} of {} agree, fewer than {GATE} %", total.agree, total.cells));
    }
    Ok(())
}

/// [`check_predictions`], but where the images are not there it gives that as the reason why nothing was predicted, since fetching them takes longer than
/// all the rest of a run of CI.
///
/// # Errors
/// The same.
pub(in crate::inspect) fn check_predictions_if_unpacked(ground: &Ground) -> Result<Option<String>> {
    let missing: Vec<String> = images::unready(&ground.images)?
        .into_iter()
        .filter(|name| name.starts_with(exhibits::PREFIX))
        .collect();
    if !missing.is_empty() {
        let images = missing.join(" ");
        return Ok(Some(format!(
            "not unpacked: {images}; `cargo xtask inspect --gallery --check` fetches them"
        )));
    }
    check_predictions(ground).map(|()| None)
}

/// Predicts every cell once more and compares with the committed report; opens nothing.
///
/// # Errors
/// [`Stop::Disagreement`] with the first file whose prediction has changed.
pub(in crate::inspect) fn check_predictions(ground: &Ground) -> Result<()> {
    let report = GalleryReport::committed(&ground.repository)?;
    let committed = by_cell(&report);
    let exhibits = exhibits::collect(ground)?;
    let stands = exhibits::stands(&exhibits, ground)?;
    let mut seen = 0;
    for (stand, visit) in stands.iter().zip(rounds::predict_all(&stands, &exhibits)?) {
        for (at, finding) in stand.shows.iter().zip(&visit.findings) {
            let (name, host) = (exhibits[*at].subject.name.as_str(), host(stand));
            let known = committed.get(&(name, host));
            let same = known.is_some_and(|known| {
                (known.predicted, &known.reasons) == (finding.predicted, &finding.reasons)
            });
            if !same {
                bail!(Stop::Disagreement(format!(
                    "{name} in {host}: committed {known:?}, predicted now {:?} {:?}; run `{RENEW}` and commit what it writes",
                    finding.predicted, finding.reasons
                )));
            }
            seen += 1;
        }
    }
    if seen != committed.len() {
        bail!(Stop::Disagreement(format!(
            "{FILE} has {} cells, {seen} were predicted; run `{RENEW}`",
            committed.len()
        )));
    }
    eprintln!("{seen} predictions for modules of others are those of {FILE}");
    Ok(())
}

/// Every finding by file and host.
fn by_cell(report: &GalleryReport) -> BTreeMap<(&str, &str), &Finding> {
    let mut findings = BTreeMap::new();
    for group in &report.groups {
        for artifact in &group.artifacts {
            for cells in &group.cells {
                let names = cells.hosts.iter().map(|host| (artifact.name.as_str(), host.as_str()));
                findings.extend(names.map(|name| (name, &cells.finding)));
            }
        }
    }
    findings
}
