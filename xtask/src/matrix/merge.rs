//! `cargo xtask matrix merge`: the report of a whole run, put together from the reports of its parts.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::compilers::CompilerAxis;
use super::report::{ArtifactRow, Report};
use crate::flags::ReportFlags;
use crate::ground::Ground;
use crate::lab::Lab;

/// Merges the reports in `files` and does with the result what a whole run does with its own. Needs neither images nor artifacts.
///
/// # Errors
/// Those of a run; parts that were made from different sources or images, a host that no part has, and one of which two parts tell
/// different things, each with the names of the files.
pub(crate) fn run(files: &[PathBuf], flags: &ReportFlags, ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let part = |file: &PathBuf| Ok(Part { name: file.display().to_string(), report: Report::read(file)? });
    let parts = files.iter().map(part).collect::<Result<Vec<_>>>()?;
    super::finish(flags, ground, true, &merge(&parts, &lab)?)
}

/// A report of some hosts, and where it is from.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) report: Report,
}

/// All hosts of `lab`, in its order.
pub(super) fn merge(parts: &[Part], lab: &Lab) -> Result<Report> {
    let first = parts.first().context("there is no part to merge")?;
    let mut whole = Report {
        pinned: parts.iter().all(|part| part.report.pinned),
        toolchain_digest: first.report.toolchain_digest.clone(),
        artifacts: first.report.artifacts.clone(),
        scenarios: first.report.scenarios.clone(),
        ..Report::default()
    };
    for part in parts {
        let same = |what: &str, same: bool| {
            let (one, other) = (&first.name, &part.name);
            ensure!(same, "{what} differ between {one} and {other}; run both parts from the same commit");
            Ok(())
        };
        same("the toolchain images", part.report.toolchain_digest == whole.toolchain_digest)?;
        same("the artifacts", part.report.artifacts == whole.artifacts)?;
        same("the scenarios", part.report.scenarios == whole.scenarios)?;
        // A part without any nginx has no modules.
        if !part.report.modules.is_empty() {
            same("the modules", whole.modules.is_empty() || part.report.modules == whole.modules)?;
            whole.modules.clone_from(&part.report.modules);
        }
        let same_axis = part.report.compiler_axis.is_built_as(&first.report.compiler_axis);
        same("the plugins of compilers", same_axis)?;
    }
    let CompilerAxis { compilers, plugins, probes, .. } = first.report.compiler_axis.clone();
    whole.compiler_axis = CompilerAxis { compilers, plugins, probes, cells: Vec::new() };
    check_that_artifacts_are_whole(&whole.artifacts, lab)?;
    for host in &lab.hosts {
        let report = the_one_with(&host.name, parts, |report| {
            let row = report.hosts.iter().find(|row| row.name == host.name)?;
            let cells = report.cells.iter().filter(|cell| cell.host == host.name);
            let scenario_cells = report.scenario_cells.iter().filter(|cell| cell.host == host.name);
            let of_compilers = report.compiler_axis.cells_in(&host.name);
            Some((row, cells.collect::<Vec<_>>(), scenario_cells.collect::<Vec<_>>(), of_compilers))
        })?;
        let (row, cells, scenario_cells, of_compilers) = report;
        whole.hosts.push(row.clone());
        whole.cells.extend(cells.into_iter().cloned());
        whole.scenario_cells.extend(scenario_cells.into_iter().cloned());
        whole.compiler_axis.cells.extend(of_compilers.into_iter().cloned());
    }
    for nginx in &lab.nginxes {
        let (row, cells) = the_one_with(&nginx.name, parts, |report| {
            let row = report.nginxes.iter().find(|row| row.name == nginx.name)?;
            let cells = report.module_cells.iter().filter(|cell| cell.host == nginx.name);
            Some((row, cells.collect::<Vec<_>>()))
        })?;
        whole.nginxes.push(row.clone());
        whole.module_cells.extend(cells.into_iter().cloned());
    }
    Ok(whole)
}

/// What some part tells of `host`; two may tell the same, as when a job ran again.
fn the_one_with<'a, T: PartialEq>(
    host: &str,
    parts: &'a [Part],
    told: impl Fn(&'a Report) -> Option<T>,
) -> Result<T> {
    let mut tellers = parts.iter().filter_map(|part| Some((part, told(&part.report)?)));
    let Some((teller, found)) = tellers.next() else {
        bail!("no part has {host}; make one with `cargo xtask matrix --host {host} --json`");
    };
    for (other, again) in tellers {
        let (one, other) = (&teller.name, &other.name);
        ensure!(again == found, "{one} and {other} differ in {host}; leave one of them out");
    }
    Ok(found)
}

fn check_that_artifacts_are_whole(rows: &[ArtifactRow], lab: &Lab) -> Result<()> {
    for target in &lab.targets {
        for artifact in lab.artifacts.iter().filter(|artifact| artifact.is_built_for(target)) {
            let is_there = rows.iter().any(|row| row.name == artifact.name && row.target == target.triple);
            ensure!(
                is_there,
                "the parts have no artifact {:?} for {}; run them without --target, from this commit",
                artifact.name,
                target.triple
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Lab {
        Lab::read(&crate::paths::repository().unwrap()).unwrap()
    }

    fn committed() -> Report {
        Report::committed(&crate::paths::repository().unwrap()).unwrap()
    }

    /// What a run of these hosts prints.
    fn part(hosts: &[&str]) -> Part {
        let mut report = committed();
        let has = |name: &String| hosts.contains(&name.as_str());
        report.hosts.retain(|row| has(&row.name));
        report.cells.retain(|cell| has(&cell.host));
        report.scenario_cells.retain(|cell| has(&cell.host));
        report.compiler_axis.cells.retain(|cell| has(&cell.cell.host));
        report.nginxes.retain(|row| has(&row.name));
        report.module_cells.retain(|cell| has(&cell.host));
        if report.nginxes.is_empty() {
            report.modules.clear();
        }
        Part { name: format!("{}.json", hosts[0]), report }
    }

    /// Three parts, none in the order of the whole.
    fn parts() -> Vec<Part> {
        let lab = lab();
        let names = lab.hosts.iter().map(|host| &host.name).chain(lab.nginxes.iter().map(|one| &one.name));
        let names: Vec<&str> = names.map(String::as_str).rev().collect();
        names.chunks(names.len().div_ceil(3)).map(part).collect()
    }

    fn refusal(parts: &[Part]) -> String {
        merge(parts, &lab()).unwrap_err().to_string()
    }

    #[test]
    fn parts_give_the_same_bytes_as_the_whole() {
        let merged = merge(&parts(), &lab()).unwrap();
        assert_eq!(merged.to_json().unwrap(), committed().to_json().unwrap());
    }

    #[test]
    fn a_host_that_two_parts_tell_the_same_of_is_there_once() {
        let mut parts = parts();
        parts.push(part(&["trixie-x86_64-gnu", "nginx-1.26-x86_64"]));
        assert_eq!(merge(&parts, &lab()).unwrap(), committed());
        let at = parts.len() - 1;
        parts[at].report.cells[0].observed = "crashed".to_owned();
        let error = refusal(&parts);
        assert!(error.contains("trixie-x86_64-gnu.json differ in trixie-x86_64-gnu"), "{error}");
    }

    #[test]
    fn a_host_that_no_part_has_is_named() {
        let mut parts = parts();
        parts.pop();
        let error = refusal(&parts);
        assert!(error.starts_with("no part has bullseye-x86_64-gnu; make one with"), "{error}");
        assert_eq!(refusal(&[]), "there is no part to merge");
    }

    #[test]
    fn parts_of_different_sources_are_refused_with_their_names() {
        let mut parts = parts();
        parts[2].report.artifacts[0].sha256 = "0".to_owned();
        let error = refusal(&parts);
        let names = format!("the artifacts differ between {} and {}", parts[0].name, parts[2].name);
        assert!(error.starts_with(&names), "{error}");
    }

    #[test]
    fn parts_of_some_targets_are_refused() {
        let mut parts = parts();
        for part in &mut parts {
            part.report.artifacts.retain(|row| row.target != "x86_64-unknown-linux-musl");
        }
        let error = refusal(&parts);
        assert!(error.contains("for x86_64-unknown-linux-musl; run them without --target"), "{error}");
    }
}
