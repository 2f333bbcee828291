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
    let stale = |difference: String| Err(rendered::stale(&file, &difference, RENEW));
    if let Some(contradiction) = contradiction(&report) {
        return stale(contradiction);
    }
    rendered::check(&file, &report.to_json()?, RENEW)?;
    rendered::check(&ground.repository.join(PAGE), &page::render(&report), RENEW)?;
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
    if let Some(count) = report.below(GATE) {
        return stale(format!("{} of {} agree, fewer than {GATE} %", count.agree, count.cells));
    }
    Ok(())
}

/// What a report says of its own cells and is not so: whether they agree is told again from what was predicted and observed.
pub(super) fn contradiction(report: &GalleryReport) -> Option<String> {
    let mut odd: BTreeMap<(&str, &str), &Finding> = BTreeMap::new();
    for group in &report.groups {
        for cells in &group.cells {
            let (Some(artifact), Some(host)) = (group.artifacts.first(), cells.hosts.first()) else {
                return Some("a group is empty".to_owned());
            };
            let first = || format!("{} in {host}", artifact.name);
            match cells.finding.retold() {
                Err(unknown) => return Some(format!("{}: {unknown}", first())),
                Ok(retold) if retold != (cells.finding.predicted, cells.finding.agree) => {
                    let (predicted, agree) = retold;
                    return Some(format!(
                        "{}: from its reasons and what was observed follow \"predicted\":\"{}\" and \"agree\":{agree}",
                        first(),
                        predicted.word()
                    ));
                }
                Ok(_) => {}
            }
            if !cells.finding.agree {
                let artifacts = group.artifacts.iter().map(|artifact| artifact.name.as_str());
                odd.extend(artifacts.flat_map(|artifact| {
                    cells.hosts.iter().map(move |host| ((artifact, host.as_str()), &cells.finding))
                }));
            }
        }
    }
    for cell in &report.disagreements {
        let name = format!("{} in {}", cell.artifact, cell.host);
        let Some(finding) = odd.remove(&(cell.artifact.as_str(), cell.host.as_str())) else {
            return Some(format!("{name} is among the disagreements, and agrees"));
        };
        let mut reasons: Vec<&str> = cell.reasons.iter().map(|reason| reason.code.as_str()).collect();
        reasons.dedup();
        if (cell.predicted, cell.observed) != (finding.predicted, finding.observed)
            || reasons != finding.reasons
        {
            return Some(format!("{name} is another among the disagreements"));
        }
    }
    odd.keys()
        .next()
        .map(|(artifact, host)| format!("{artifact} in {host} disagrees, and is not among the disagreements"))
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
