//! Files with the same outcome everywhere stand together, and so do hosts with the same outcome for them: a report of many cells stays small.

use std::collections::BTreeMap;

use plugin_compat::{Code, UnknownCode};
use serde::{Deserialize, Serialize};

use crate::inspect::cell::{self, Cell, Outcome};

/// What became of a file in a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) predicted: Outcome,
    /// What happened; where nothing was observed, what was predicted.
    pub(super) observed: Outcome,
    pub(super) agree: bool,
    /// The codes of what speaks against it, the most fundamental first.
    pub(super) reasons: Vec<String>,
    /// The code of the reason that the loader's words tell, where they tell one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArtifactRow {
    /// `GALLERY/PATH`.
    pub(super) name: String,
    /// What opens such files.
    pub(super) kind: String,
    pub(super) sha256: String,
}

/// Files that had the same outcomes in the same hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) artifacts: Vec<ArtifactRow>,
    pub(super) cells: Vec<Cells>,
}

/// Every file of a group in every one of these hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cells {
    pub(super) hosts: Vec<String>,
    #[serde(flatten)]
    pub(super) finding: Finding,
}

impl Finding {
    pub(super) fn of(cell: &Cell) -> Finding {
        let mut reasons: Vec<String> = cell.reasons.iter().map(|reason| reason.code.clone()).collect();
        // They come sorted.
        reasons.dedup();
        Finding {
            predicted: cell.predicted,
            observed: cell.observed.unwrap_or(cell.predicted),
            agree: cell.agree.unwrap_or(true),
            reasons,
            code: cell.code.clone(),
        }
    }

    /// What was predicted and whether that agrees, told again from all else.
    ///
    /// # Errors
    /// A code is none.
    pub(super) fn retold(&self) -> Result<(Outcome, bool), UnknownCode> {
        let reasons: Vec<Code> = self.reasons.iter().map(|code| code.parse()).collect::<Result<_, _>>()?;
        let told: Option<Code> = self.code.as_deref().map(str::parse).transpose()?;
        let reasons = reasons.iter().copied();
        Ok((cell::predicted(reasons.clone()), cell::agrees(self.observed, told, reasons)))
    }
}

/// The findings of a file, each with the numbers of the hosts that have it.
type Row = Vec<(Vec<usize>, Finding)>;

/// Groups files, each with its findings by the number of the host. Groups come in the order of their first files.
pub(super) fn group(files: Vec<(ArtifactRow, Vec<(usize, Finding)>)>, hosts: &[String]) -> Vec<Group> {
    let mut groups: BTreeMap<Row, (usize, Vec<ArtifactRow>)> = BTreeMap::new();
    for (at, (artifact, findings)) in files.into_iter().enumerate() {
        let mut of_finding: BTreeMap<Finding, Vec<usize>> = BTreeMap::new();
        for (host, finding) in findings {
            of_finding.entry(finding).or_default().push(host);
        }
        let mut row: Row = of_finding.into_iter().map(|(finding, hosts)| (hosts, finding)).collect();
        row.sort();
        groups.entry(row).or_insert_with(|| (at, Vec::new())).1.push(artifact);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, (first, _))| *first);
    let cells = |(hosts_at, finding): (Vec<usize>, Finding)| Cells {
        hosts: hosts_at.into_iter().map(|at| hosts[at].clone()).collect(),
        finding,
    };
    groups
        .into_iter()
        .map(|(row, (_, artifacts))| Group { artifacts, cells: row.into_iter().map(cells).collect() })
        .collect()
}
