//! All that was found, in the form that `--json` prints.

use plugin_compat::{ElfError, ElfFacts, FileKind};
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::hosts::Place;
use super::portrait::{self, Portrait};
use super::subject::Subject;

/// The version of the report's form; it grows when a field goes or changes its meaning.
const FORMAT: u32 = 1;

/// All that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// The version of this form.
    pub(super) format: u32,
    pub(super) hosts: Vec<HostRow>,
    pub(super) files: Vec<FileRow>,
    pub(super) cells: Vec<Cell>,
    /// Observations beside predictions, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agreement: Option<Agreement>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostRow {
    pub(super) name: String,
    pub(super) arch: String,
    /// `gnu` or `musl`.
    pub(super) libc: String,
    pub(super) libc_version: Option<String>,
    /// The path of the program in the host, where one was named.
    pub(super) program: Option<String>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRow {
    /// As it was named.
    pub(super) name: String,
    /// In bytes.
    pub(super) size: u64,
    pub(super) sha256: String,
    /// What it is, whatever its name says.
    pub(super) kind: FileKind,
    /// What its bytes say; none where `unreadable` says why.
    pub(super) portrait: Option<Portrait>,
    /// What the file is instead of an ELF file.
    pub(super) unreadable: Option<String>,
}

/// How many observations were predicted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreement {
    pub(super) cells: usize,
    pub(super) agree: usize,
    /// Of all cells, in percent.
    pub(super) percent: f64,
}

impl Report {
    /// The report on `subjects`; `writable` are the folders of their run paths that anybody may write to in one of the places.
    pub(super) fn of(
        subjects: &[Subject],
        writable: &[Vec<String>],
        places: &[Place],
        versions: &[Option<String>],
        cells: Vec<Cell>,
    ) -> Report {
        let hosts = places.iter().zip(versions).map(|(place, version)| HostRow {
            name: place.name.clone(),
            arch: place.image.arch.to_string(),
            libc: place.libc.to_string(),
            libc_version: version.clone(),
            program: place.program.path.clone(),
        });
        let files = subjects.iter().zip(writable).map(|(subject, writable)| FileRow {
            name: subject.name.clone(),
            size: subject.size,
            sha256: subject.sha256.clone(),
            kind: subject.facts.as_ref().map_or_else(ElfError::kind, ElfFacts::kind),
            portrait: subject.facts.as_ref().ok().map(|facts| portrait::of(facts, writable)),
            unreadable: subject.facts.as_ref().err().map(ToString::to_string),
        });
        let agreement = Agreement::of(&cells);
        Report { format: FORMAT, hosts: hosts.collect(), files: files.collect(), cells, agreement }
    }
}

impl FileRow {
    /// Whether it is linked, and of a layout that is read in depth: of others nothing tells how hard they are to abuse.
    pub(super) fn has_hardening(&self) -> bool {
        let is_linked = matches!(
            self.kind,
            FileKind::SharedLibrary
                | FileKind::Executable
                | FileKind::Pie
                | FileKind::StaticExecutable
                | FileKind::StaticPie
                | FileKind::NoDynamicTable
        );
        let is_read =
            |portrait: &Portrait| portrait.class == "64-bit" && portrait.byte_order == "little-endian";
        is_linked && self.portrait.as_ref().is_some_and(is_read)
    }
}

impl Agreement {
    fn of(cells: &[Cell]) -> Option<Agreement> {
        let observed: Vec<bool> = cells.iter().filter_map(|cell| cell.agree).collect();
        let agree = observed.iter().filter(|agree| **agree).count();
        let percent = 100.0 * agree as f64 / observed.len() as f64;
        (!observed.is_empty()).then_some(Agreement { cells: observed.len(), agree, percent })
    }
}
