//! All that was measured, in the form in which it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::count::{Count, Meeting};
use super::exhibits::{Exhibit, Stand};
use super::group::{ArtifactRow, Finding, Group, group};
use super::rounds::Visit;
use super::{artifact, host};
use crate::inspect::cell::{Cell, CellReason, Outcome};
use crate::lab::{Arch, Libc};

/// The report for programs.
pub(super) const FILE: &str = "bench-results/inspect/inspect.json";
/// The report for people.
pub(super) const PAGE: &str = "bench-results/inspect/README.md";
/// The command that writes both.
pub(super) const RENEW: &str = "cargo xtask inspect --gallery";

/// The version of the report's form; it grows when a field goes or changes its meaning.
const FORMAT: u32 = 1;

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GalleryReport {
    /// The version of this form.
    pub(super) format: u32,
    /// Whether all images were those in their locks.
    pub(super) pinned: bool,
    pub(super) hosts: Vec<HostRow>,
    pub(super) groups: Vec<Group>,
    /// One sentence for each code.
    pub(super) examples: Vec<Example>,
    pub(super) disagreements: Vec<Disagreement>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostRow {
    pub(super) name: String,
    pub(super) arch: Arch,
    pub(super) libc: Libc,
    pub(super) libc_version: Option<String>,
    pub(super) image: String,
    pub(super) image_digest: String,
    /// The path of the program in the host, where it is not the small one.
    pub(super) program: Option<String>,
}

/// What one code says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    pub(super) code: String,
    pub(super) text: String,
    pub(super) artifact: String,
    pub(super) host: String,
}

/// A cell whose observation was not predicted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disagreement {
    pub(super) host: String,
    pub(super) artifact: String,
    pub(super) predicted: Outcome,
    pub(super) observed: Outcome,
    pub(super) reasons: Vec<CellReason>,
    /// The loader's words, or how the process ended.
    pub(super) message: Option<String>,
    /// Why it is so.
    pub(super) why: String,
}

impl GalleryReport {
    /// The report of visits to all stands; `whys` are for the odd cells, in their order.
    pub(super) fn of(
        stands: &[Stand],
        exhibits: &[Exhibit],
        visits: &[Visit],
        whys: Vec<String>,
    ) -> GalleryReport {
        let hosts: Vec<HostRow> =
            stands.iter().zip(visits).map(|(stand, visit)| HostRow::of(stand, visit)).collect();
        let row = |exhibit: &Exhibit| ArtifactRow {
            name: artifact(exhibit).to_owned(),
            kind: exhibit.kind.clone(),
            sha256: exhibit.subject.sha256.clone(),
        };
        let mut files: Vec<(ArtifactRow, Vec<(usize, Finding)>)> =
            exhibits.iter().map(|exhibit| (row(exhibit), Vec::new())).collect();
        let mut examples: BTreeMap<String, Example> = BTreeMap::new();
        for (at, (stand, visit)) in stands.iter().zip(visits).enumerate() {
            for (exhibit, finding) in stand.shows.iter().zip(&visit.findings) {
                files[*exhibit].1.push((at, finding.clone()));
            }
            for (code, example) in &visit.examples {
                examples.entry(code.clone()).or_insert_with(|| example.clone());
            }
        }
        let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let odd = visits.iter().flat_map(|visit| &visit.odd);
        GalleryReport {
            format: FORMAT,
            pinned: stands.iter().all(|stand| stand.place.image.pinned),
            groups: group(files, &names),
            hosts,
            examples: examples.into_values().collect(),
            disagreements: odd.zip(whys).map(|(cell, why)| Disagreement::of(cell, why)).collect(),
        }
    }

    /// The one that is committed.
    pub(super) fn committed(repository: &Path) -> Result<GalleryReport> {
        let text = fs::read_to_string(repository.join(FILE))
            .with_context(|| format!("cannot read {FILE}; `{RENEW}` writes it"))?;
        serde_json::from_str(&text).with_context(|| format!("{FILE}; `{RENEW}` writes it anew"))
    }

    /// A line for each host, file and outcome, so that a difference is one of lines.
    pub(super) fn to_json(&self) -> Result<String> {
        let group = |group: &Group| -> Result<String> {
            Ok(format!(
                "{{\"artifacts\": [\n{}\n], \"cells\": [\n{}\n]}}",
                lines(&group.artifacts)?,
                lines(&group.cells)?
            ))
        };
        let groups = self.groups.iter().map(group).collect::<Result<Vec<_>>>()?;
        Ok(format!(
            "{{\n\"format\": {},\n\"pinned\": {},\n\"hosts\": [\n{}\n],\n\"groups\": [\n{}\n],\n\"examples\": [\n{}\n],\n\"disagreements\": [\n{}\n]\n}}\n",
            self.format,
            self.pinned,
            lines(&self.hosts)?,
            groups.join(",\n"),
            lines(&self.examples)?,
            lines(&self.disagreements)?,
        ))
    }

    /// All cells.
    pub(super) fn total(&self) -> Count {
        self.count(|_, _| true)
    }

    /// The cells in hosts of the file's own architecture: where it is another one, it is easy to foresee that nothing loads.
    pub(super) fn at_home(&self) -> Count {
        self.count(|host, artifact| self.meeting(host, artifact) != Meeting::Arch)
    }

    /// The first of these counts of which fewer agree than `least`, in percent: of all cells, and of those on the files' own architecture.
    pub(super) fn below(&self, least: f64) -> Option<Count> {
        [self.total(), self.at_home()].into_iter().find(|count| count.percent() < least)
    }

    /// Cells that agree in that the file was not to load and its process ended before a loader said why.
    pub(super) fn without_words(&self) -> usize {
        let is_without = |finding: &Finding| {
            finding.agree
                && finding.predicted != Outcome::Loads
                && matches!(finding.observed, Outcome::Crashed | Outcome::Hung)
        };
        let of_group = |group: &Group| {
            let cells = group.cells.iter().filter(|cells| is_without(&cells.finding));
            group.artifacts.len() * cells.map(|cells| cells.hosts.len()).sum::<usize>()
        };
        self.groups.iter().map(of_group).sum()
    }

    /// The cells of those files in those hosts that `is_meant` names.
    pub(super) fn count(&self, is_meant: impl Fn(&HostRow, &ArtifactRow) -> bool) -> Count {
        let by_name: BTreeMap<&str, &HostRow> =
            self.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
        let mut count = Count::default();
        for group in &self.groups {
            for cells in &group.cells {
                for host in cells.hosts.iter().filter_map(|name| by_name.get(name.as_str()).copied()) {
                    let meant = group.artifacts.iter().filter(|artifact| is_meant(host, artifact)).count();
                    count.add(meant, &cells.finding);
                }
            }
        }
        count
    }

    /// How many of those files that `is_meant` names load in the root file system that they come from, in the one program or the other.
    pub(super) fn load_at_home(&self, is_meant: impl Fn(&ArtifactRow) -> bool) -> usize {
        let at_home = |artifact: &&ArtifactRow, group: &Group| {
            let own = |name: &String| {
                name.strip_prefix(artifact.gallery())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
            };
            let mut loading = group.cells.iter().filter(|cells| cells.finding.observed == Outcome::Loads);
            loading.any(|cells| cells.hosts.iter().any(own))
        };
        let of_group = |group: &Group| {
            group.artifacts.iter().filter(|artifact| is_meant(artifact) && at_home(artifact, group)).count()
        };
        self.groups.iter().map(of_group).sum()
    }

    pub(super) fn artifacts(&self) -> impl Iterator<Item = &ArtifactRow> {
        self.groups.iter().flat_map(|group| &group.artifacts)
    }

    /// The gallery that a file is from.
    pub(super) fn gallery_of(&self, artifact: &ArtifactRow) -> Option<&HostRow> {
        self.hosts.iter().find(|host| host.name == artifact.gallery())
    }

    /// How a host relates to a file.
    pub(super) fn meeting(&self, host: &HostRow, artifact: &ArtifactRow) -> Meeting {
        let is_foreign = self.gallery_of(artifact).is_some_and(|gallery| gallery.arch != host.arch);
        match (is_foreign, host.libc, host.is_gallery(), &host.program) {
            (true, ..) => Meeting::Arch,
            (_, Libc::Musl, ..) => Meeting::Libc,
            (_, _, false, _) => Meeting::Bare,
            (_, _, true, None) if host.name == artifact.gallery() => Meeting::Home,
            (_, _, true, None) => Meeting::Suite,
            (_, _, true, Some(_)) => Meeting::Program,
        }
    }
}

fn lines<T: Serialize>(items: &[T]) -> Result<String> {
    let lines = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    Ok(lines.context("cannot encode the report")?.join(",\n"))
}

impl HostRow {
    fn of(stand: &Stand, visit: &Visit) -> HostRow {
        let image = &stand.place.image;
        HostRow {
            name: host(stand).to_owned(),
            arch: image.arch,
            libc: stand.place.libc,
            libc_version: visit.libc_version.clone(),
            image: image.name.clone(),
            image_digest: image.digest.clone(),
            program: stand.place.program.path.clone(),
        }
    }

    /// Whether files come from there.
    pub(super) fn is_gallery(&self) -> bool {
        self.name.starts_with(super::exhibits::PREFIX)
    }
}

impl ArtifactRow {
    pub(super) fn gallery(&self) -> &str {
        self.name.split_once('/').map_or("", |(gallery, _)| gallery)
    }
}

impl Disagreement {
    fn of(cell: &Cell, why: String) -> Disagreement {
        Disagreement {
            host: cell.host.clone(),
            artifact: cell.artifact.clone(),
            predicted: cell.predicted,
            observed: cell.observed.unwrap_or(cell.predicted),
            reasons: cell.reasons.clone(),
            message: cell.message.clone(),
            why,
        }
    }
}
