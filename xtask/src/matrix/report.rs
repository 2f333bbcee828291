//! `bench-results/matrix/matrix.json`: the whole matrix, the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::cell::{Cell, NOT_RUN};
use super::compilers::CompilerAxis;
use super::markdown;
use super::scenario_cell::ScenarioCell;
use crate::atomic;
use crate::error::Stop;
use crate::lab::{Arch, Libc, Scenario};
use crate::rendered;

const JSON: &str = "bench-results/matrix/matrix.json";
const RENEW: &str = "cargo xtask matrix";
/// The page that people read, relative to the repository.
pub(crate) const PAGE: &str = "bench-results/matrix/README.md";

/// Everything that a run found out, without times and without anything of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whether every image was the one in its lock.
    pub(crate) pinned: bool,
    /// The digest of the image that built all artifacts.
    pub(crate) toolchain_digest: String,
    /// Host images, in the order of `lab.toml`.
    pub(crate) hosts: Vec<HostRow>,
    /// Artifacts by target, in the order of `lab.toml`.
    pub(crate) artifacts: Vec<ArtifactRow>,
    /// Every host with every artifact.
    pub(crate) cells: Vec<Cell>,
    /// Servers that were driven, in the order of `lab.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scenarios: Vec<ScenarioRow>,
    /// Every host with every scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scenario_cells: Vec<ScenarioCell>,
    /// Debian's nginx, in the order of `lab.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nginxes: Vec<NginxRow>,
    /// Modules by the nginx that they were built for, in the order of `lab.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) modules: Vec<ArtifactRow>,
    /// Every nginx with every module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) module_cells: Vec<Cell>,
    /// The same plugins by every compiler.
    #[serde(default, skip_serializing_if = "CompilerAxis::is_empty")]
    pub(crate) compiler_axis: CompilerAxis,
}

/// An nginx that loads modules, as its bytes say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NginxRow {
    /// The name of the image.
    pub(crate) name: String,
    /// Its architecture.
    pub(crate) arch: Arch,
    /// Its whole version.
    pub(crate) version: String,
    /// With which flags it was configured, as it compares them with those of modules.
    pub(crate) signature: String,
    /// Its C library, with the version.
    pub(crate) libc: String,
    /// `sha256:<hex>` of the image's configuration.
    pub(crate) image_digest: String,
}

/// A host image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRow {
    /// The name of the image.
    pub(crate) name: String,
    /// Its architecture.
    pub(crate) arch: Arch,
    /// Its C library.
    pub(crate) libc: Libc,
    /// The version of that, read from its bytes.
    pub(crate) libc_version: String,
    /// `sha256:<hex>` of the image's configuration, which Docker calls its ID.
    pub(crate) image_digest: String,
}

/// A plugin or fixture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArtifactRow {
    /// Its name in `lab.toml`.
    pub(crate) name: String,
    /// The kind of plugin.
    pub(crate) kind: String,
    /// The target that it was built for; of a module the nginx.
    pub(crate) target: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
    /// The newest glibc symbol version that it needs, where it needs any.
    pub(crate) glibc_floor: Option<String>,
}

/// A server that was driven, of each host's own target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScenarioRow {
    /// Its name in `lab.toml`.
    pub(crate) name: String,
    /// What it shows where it works.
    pub(crate) shows: String,
    /// The program.
    pub(crate) server: String,
    /// The artifacts in its plugin root.
    pub(crate) plugins: Vec<String>,
    /// Good and bad ones that lie there as well.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) beside: Vec<String>,
    /// Every artifact of every target lies there.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) everything: bool,
}

/// A cell of any kind that does not agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OddCell<'a> {
    /// The artifact or scenario.
    pub(crate) subject: &'a str,
    /// The name of the host image.
    pub(crate) host: &'a str,
    /// What the host or server did.
    pub(crate) observed: &'a str,
    /// What does not fit.
    pub(crate) disagreements: &'a [String],
}

impl<'a> From<&'a Cell> for OddCell<'a> {
    fn from(cell: &'a Cell) -> OddCell<'a> {
        OddCell {
            subject: &cell.artifact,
            host: &cell.host,
            observed: &cell.observed,
            disagreements: &cell.disagreements,
        }
    }
}

impl HostRow {
    /// The C library as people name it: `glibc 2.36`, `musl 1.2.5`.
    pub(crate) fn libc_name(&self) -> String {
        let family = match self.libc {
            Libc::Gnu => "glibc",
            Libc::Musl => "musl",
        };
        format!("{family} {}", self.libc_version)
    }
}

impl ArtifactRow {
    /// How cells name it.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.target, self.name)
    }
}

impl From<&Scenario> for ScenarioRow {
    fn from(scenario: &Scenario) -> ScenarioRow {
        ScenarioRow {
            name: scenario.name.clone(),
            shows: scenario.shows.clone(),
            server: scenario.server.clone(),
            plugins: scenario.plugins.clone(),
            beside: scenario.beside.clone(),
            everything: scenario.everything,
        }
    }
}

impl Report {
    /// How many cells it has, of all kinds.
    pub(crate) fn cell_count(&self) -> usize {
        let compilers = self.compiler_axis.cells.len();
        self.cells.len() + self.scenario_cells.len() + self.module_cells.len() + compilers
    }

    /// The cells of all kinds that do not agree.
    pub(crate) fn odd_cells(&self) -> Vec<OddCell<'_>> {
        let odd = |cell: &&Cell| !cell.agree;
        let artifacts = self.cells.iter().filter(odd).map(OddCell::from);
        let modules = self.module_cells.iter().filter(odd).map(OddCell::from);
        let scenarios = self.scenario_cells.iter().filter(|cell| !cell.agree).map(|cell| OddCell {
            subject: &cell.scenario,
            host: &cell.host,
            observed: &cell.observed,
            disagreements: &cell.disagreements,
        });
        artifacts.chain(scenarios).chain(modules).chain(self.compiler_axis.odd_cells()).collect()
    }

    /// # Errors
    /// [`Stop::NotRun`] if nothing could be observed in some cell.
    pub(crate) fn check_that_all_ran(&self) -> Result<()> {
        let odd = self.odd_cells();
        let not_run: Vec<_> = odd.iter().filter(|cell| cell.observed == NOT_RUN).collect();
        let Some(first) = not_run.first() else { return Ok(()) };
        Err(Stop::NotRun(format!(
            "{} cells were {}; `cargo xtask doctor` shows what mends it",
            not_run.len(),
            first.disagreements.join("; ")
        ))
        .into())
    }

    /// # Errors
    /// [`Stop::Disagreement`] if some cell does not agree.
    pub(crate) fn check_that_all_agree(&self) -> Result<()> {
        match self.odd_cells().len() {
            0 => Ok(()),
            odd => Err(Stop::Disagreement(format!(
                "{odd} of {} cells disagree; mend the plugin, the server, the verdict or the expectation in lab.toml",
                self.cell_count()
            ))
            .into()),
        }
    }

    /// The cell of `scenario` in `host`.
    pub(crate) fn scenario_cell(&self, host: &str, scenario: &str) -> Option<&ScenarioCell> {
        self.scenario_cells.iter().find(|cell| cell.host == host && cell.scenario == scenario)
    }

    /// The cell of `artifact` (see [`ArtifactRow::id`]) in `host`.
    pub(crate) fn cell(&self, host: &str, artifact: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.host == host && cell.artifact == artifact)
    }

    /// The cell of `module` (see [`ArtifactRow::id`]) in `nginx`.
    pub(crate) fn module_cell(&self, nginx: &str, module: &str) -> Option<&Cell> {
        self.module_cells.iter().find(|cell| cell.host == nginx && cell.artifact == module)
    }

    /// As it is committed.
    pub(crate) fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).context("cannot encode the report")?;
        text.push('\n');
        Ok(text)
    }

    /// Writes `matrix.json`, the page rendered from it and the table in the front page of `repository`.
    pub(crate) fn write(&self, repository: &Path) -> Result<()> {
        for (file, text) in self.files(repository)? {
            atomic::write(&file, text.as_bytes())?;
        }
        Ok(())
    }

    /// Compares with what is committed in `repository`; a run of only some hosts or targets with its part of it.
    ///
    /// # Errors
    /// [`Stop::Disagreement`] with the first line or cell that differs.
    pub(crate) fn check(&self, repository: &Path, whole: bool) -> Result<()> {
        if !whole {
            return self.check_part(repository);
        }
        for (file, text) in self.files(repository)? {
            rendered::check(&file, &text, RENEW)?;
        }
        Ok(())
    }

    fn check_part(&self, repository: &Path) -> Result<()> {
        let file = repository.join(JSON);
        let committed = Report::read(&file)?;
        for host in &self.hosts {
            if !committed.hosts.contains(host) {
                return Err(stale(&file, format!("host {} is another or absent there", host.name)));
            }
        }
        for artifact in &self.artifacts {
            if !committed.artifacts.contains(artifact) {
                return Err(stale(&file, format!("artifact {} is another or absent there", artifact.id())));
            }
        }
        for scenario in &self.scenarios {
            if !committed.scenarios.contains(scenario) {
                return Err(stale(&file, format!("scenario {} is another or absent there", scenario.name)));
            }
        }
        for cell in &self.scenario_cells {
            if committed.scenario_cell(&cell.host, &cell.scenario) != Some(cell) {
                return Err(stale(&file, format!("{} in {} is another there", cell.scenario, cell.host)));
            }
        }
        for cell in &self.cells {
            if committed.cell(&cell.host, &cell.artifact) != Some(cell) {
                return Err(stale(&file, format!("{} in {} is another there", cell.artifact, cell.host)));
            }
        }
        for nginx in &self.nginxes {
            if !committed.nginxes.contains(nginx) {
                return Err(stale(&file, format!("{} is another or absent there", nginx.name)));
            }
        }
        for module in &self.modules {
            if !committed.modules.contains(module) {
                return Err(stale(&file, format!("module {} is another or absent there", module.id())));
            }
        }
        for cell in &self.module_cells {
            if committed.module_cell(&cell.host, &cell.artifact) != Some(cell) {
                return Err(stale(&file, format!("{} in {} is another there", cell.artifact, cell.host)));
            }
        }
        match committed.compiler_axis.lacks_of(&self.compiler_axis) {
            Some(what) => Err(stale(&file, what)),
            None => Ok(()),
        }
    }

    /// The one that is committed in `repository`.
    pub(crate) fn committed(repository: &Path) -> Result<Report> {
        Report::read(&repository.join(JSON))
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, or is no such report.
    pub(crate) fn read(file: &Path) -> Result<Report> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot parse {}", file.display()))
    }

    fn files(&self, repository: &Path) -> Result<[(PathBuf, String); 3]> {
        let front = repository.join("README.md");
        let text = fs::read_to_string(&front).with_context(|| format!("cannot read {}", front.display()))?;
        Ok([
            (repository.join(JSON), self.to_json()?),
            (repository.join(PAGE), markdown::page(self)),
            (front, with_table(&text, &markdown::front_table(self))?),
        ])
    }
}

/// Writes everything that is made from the committed `matrix.json` anew; needs neither images nor artifacts.
pub(super) fn render(repository: &Path) -> Result<()> {
    Report::committed(repository)?.write(repository)
}

/// Renders everything that is made from the committed `matrix.json` again and compares; needs neither images nor artifacts.
pub(crate) fn check_rendering(repository: &Path) -> Result<()> {
    Report::committed(repository)?.check(repository, true)
}

/// `text` with `table` between the two marks.
fn with_table(text: &str, table: &str) -> Result<String> {
    const BEGIN: &str = "<!-- generated by `cargo xtask matrix`: begin -->\n";
    const END: &str = "<!-- generated: end -->";
    let (head, rest) = text.split_once(BEGIN).with_context(|| format!("README.md has no line {BEGIN:?}"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("README.md has no {END:?}"))?;
    Ok(format!("{head}{BEGIN}{table}{END}{tail}"))
}

fn stale(file: &Path, difference: String) -> anyhow::Error {
    rendered::stale(file, &difference, RENEW)
}

#[cfg(test)]
impl Report {
    /// A host, a plugin for it and one for another, and two servers, the second of which crashed; an nginx and three modules, the second of
    /// which crashed it.
    pub(super) fn sample() -> Report {
        let text = r#"{
            "pinned": true,
            "toolchain_digest": "sha256:0",
            "hosts": [
                {"name": "trixie-x86_64-gnu", "arch": "x86_64", "libc": "gnu", "libc_version": "2.41", "image_digest": "sha256:1"}
            ],
            "artifacts": [
                {"name": "ip", "kind": "handler", "target": "x86_64-unknown-linux-gnu", "sha256": "2", "glibc_floor": "2.17"},
                {"name": "ip", "kind": "handler", "target": "aarch64-unknown-linux-gnu", "sha256": "3", "glibc_floor": "2.17"}
            ],
            "cells": [
                {"host": "trixie-x86_64-gnu", "artifact": "x86_64-unknown-linux-gnu/ip", "predicted": "works", "observed": "works",
                 "expected": "works", "loader": "works", "agree": true, "reasons": []},
                {"host": "trixie-x86_64-gnu", "artifact": "aarch64-unknown-linux-gnu/ip", "predicted": "refused", "observed": "refused",
                 "expected": "refused", "loader": "refused", "agree": true,
                 "reasons": [{"code": "elf.machine", "text": "the plugin is for aarch64, host trixie-x86_64-gnu is x86_64"}]}
            ],
            "scenarios": [
                {"name": "dyn-server-ip", "shows": "it answers through the plugin", "server": "dyn-server", "plugins": ["ip"], "beside": ["abi-major-2", "no-note"]},
                {"name": "static-server-ip", "shows": "its twin does, too", "server": "static-server", "plugins": []}
            ],
            "scenario_cells": [
                {"host": "trixie-x86_64-gnu", "scenario": "dyn-server-ip", "predicted": "works", "observed": "works",
                 "expected": "works", "agree": true, "stage": "stop", "message": "{}"},
                {"host": "trixie-x86_64-gnu", "scenario": "static-server-ip", "predicted": "works", "observed": "crashed",
                 "expected": "works", "agree": false, "stage": "request", "message": "it ended with signal: 11",
                 "disagreements": ["the server: crashed at stage request (it ended with signal: 11), expected works"]}
            ],
            "nginxes": [
                {"name": "nginx-1.26-x86_64", "arch": "x86_64", "version": "1.26.3", "signature": "8,4,8,00", "libc": "glibc 2.41", "image_digest": "sha256:4"}
            ],
            "modules": [
                {"name": "set-backend", "kind": "nginx-module", "target": "nginx-1.26-x86_64", "sha256": "5", "glibc_floor": null},
                {"name": "minimal", "kind": "nginx-module", "target": "nginx-1.26-x86_64", "sha256": "6", "glibc_floor": null},
                {"name": "minimal", "kind": "nginx-module", "target": "nginx-1.22-x86_64", "sha256": "7", "glibc_floor": null}
            ],
            "module_cells": [
                {"host": "nginx-1.26-x86_64", "artifact": "nginx-1.26-x86_64/set-backend", "predicted": "works", "observed": "works",
                 "expected": "works", "loader": "works", "agree": true, "reasons": []},
                {"host": "nginx-1.26-x86_64", "artifact": "nginx-1.26-x86_64/minimal", "predicted": "works", "observed": "crashed",
                 "expected": "works", "loader": "crashed", "agree": false, "reasons": [],
                 "disagreements": ["nginx: crashed (nothing), expected works"]},
                {"host": "nginx-1.26-x86_64", "artifact": "nginx-1.22-x86_64/minimal", "predicted": "refused", "observed": "refused",
                 "expected": "refused", "loader": "refused", "agree": true, "message": "module \"MODULE\" version 1022001 instead of 1026003",
                 "reasons": [{"code": "nginx.version", "text": "minimal is built for nginx 1.22.1"}]}
            ]
        }"#;
        serde_json::from_str(text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_between_the_marks() {
        let text = "a\n<!-- generated by `cargo xtask matrix`: begin -->\nold\n<!-- generated: end -->\nb\n";
        let renewed = with_table(text, "new\n").unwrap();
        assert_eq!(renewed, text.replace("old", "new"));
        assert_eq!(with_table(&renewed, "new\n").unwrap(), renewed);
        assert!(with_table("no marks", "new\n").is_err());
    }

    #[test]
    fn a_run_of_a_part_is_compared_with_its_part_of_the_committed_report() {
        let repository = crate::paths::repository().unwrap();
        let mut report = Report::committed(&repository).unwrap();
        report.hosts.truncate(1);
        let host = report.hosts[0].name.clone();
        report.cells.retain(|cell| cell.host == host);
        report.scenario_cells.retain(|cell| cell.host == host);
        report.check(&repository, false).unwrap();
        report.cells[0].observed = "another outcome".to_owned();
        let error = report.check(&repository, false).unwrap_err();
        let sentence = error.to_string();
        assert_eq!(Stop::exit_code_of(&error), 1);
        for part in [&host, &report.cells[0].artifact, "matrix.json is stale", "run `cargo xtask matrix`"] {
            assert!(sentence.contains(part), "{part:?} is not in: {sentence}");
        }
    }

    #[test]
    fn a_server_that_fails_in_one_host_makes_the_run_red() {
        let mut report = Report::sample();
        report.scenario_cells.retain(|cell| cell.agree);
        report.module_cells.retain(|cell| cell.agree);
        report.check_that_all_ran().unwrap();
        report.check_that_all_agree().unwrap();

        let failed = Report::sample();
        failed.check_that_all_ran().unwrap();
        let error = failed.check_that_all_agree().unwrap_err();
        assert_eq!(Stop::exit_code_of(&error), 1);
        assert!(error.to_string().starts_with("2 of 7 cells disagree"), "{error}");

        let mut not_run = Report::sample();
        not_run.scenario_cells[1].observed = NOT_RUN.to_owned();
        let error = not_run.check_that_all_ran().unwrap_err();
        assert_eq!(Stop::exit_code_of(&error), 3);
    }
}
