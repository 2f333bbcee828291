//! What a file's bytes say by themselves, whatever the host.

use std::collections::{BTreeMap, BTreeSet};

use plugin_compat::{ContractNote, ElfFacts, LibcVersion, PluginIdentity};
use serde::{Deserialize, Serialize};

use super::run_path;

/// A file without any host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Portrait {
    /// The processor architecture.
    pub(super) machine: String,
    /// Word size: `64-bit`.
    pub(super) class: String,
    /// `little-endian` or `big-endian`.
    pub(super) byte_order: String,
    /// How it is linked: `shared-library`, `dynamic-pie`, …
    pub(super) linkage: String,
    /// The name others need it by.
    pub(super) soname: Option<String>,
    /// The C library that it is built for.
    pub(super) libc: Option<String>,
    /// The glibc that it needs at least.
    pub(super) glibc_floor: Option<String>,
    /// What raises the floor to that.
    pub(super) raised_by: Vec<String>,
    /// The floor that it would have without those.
    pub(super) floor_without_them: Option<String>,
    /// The tables by which loaders find its symbols: `gnu`, `sysv`, `both` or `none`.
    pub(super) hash: String,
    /// Libraries that it needs, in their order, and what of them.
    pub(super) needs: Vec<Need>,
    /// Symbols that it needs and that name no library: the loader takes them from whoever has them.
    pub(super) needs_of_anyone: Vec<String>,
    /// What makes it harder to abuse, and what makes it easier.
    pub(super) hardening: Hardening,
    /// Who it says it is, if it is a plugin of this repository's contract; why it cannot be told, if its note is damaged.
    pub(super) note: Option<String>,
}

/// A library that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Need {
    /// Its name.
    pub(super) library: String,
    /// Versions that it has to define.
    pub(super) versions: Vec<String>,
    /// Symbols that were seen in it when the file was linked, `NAME@VERSION`.
    pub(super) symbols: Vec<String>,
}

/// What makes a file harder to abuse, and what makes it easier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hardening {
    /// `full`, `partial` or `none`.
    pub(super) relro: String,
    /// Whether all functions are bound at the start.
    pub(super) bind_now: bool,
    /// Whether its stack and data are not executable.
    pub(super) nx: bool,
    /// Whether relocations write into code.
    pub(super) text_relocations: bool,
    /// Whether a segment is writable and executable at once.
    pub(super) writable_code: bool,
    /// Folders of RPATH and RUNPATH that are relative, or that anybody may write to.
    pub(super) unsafe_run_path: Vec<String>,
}

/// The portrait of a file; `writable` are folders of its run path that anybody may write to where it is inspected.
pub(super) fn of(facts: &ElfFacts, writable: &[String]) -> Portrait {
    let (raised_by, floor_without_them) = what_raises_the_floor(facts);
    Portrait {
        machine: facts.machine.to_string(),
        class: facts.class.to_string(),
        byte_order: facts.endianness.to_string(),
        linkage: serde_json::to_value(facts.linkage)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default(),
        soname: facts.soname.as_deref().map(str::to_owned),
        libc: facts.libc.map(|libc| libc.to_string()),
        glibc_floor: facts.glibc_floor.map(|floor| floor.to_string()),
        raised_by,
        floor_without_them,
        hash: hash(facts).to_owned(),
        needs: needs(facts),
        needs_of_anyone: facts
            .imports
            .iter()
            .filter(|import| import.library.is_none() && !import.weak)
            .map(|import| import.name.to_string())
            .collect(),
        hardening: hardening(facts, writable),
        note: note(&facts.note),
    }
}

fn note(note: &ContractNote) -> Option<String> {
    match note {
        ContractNote::Garbled { problem } => Some(format!("cannot be read: {problem}")),
        ContractNote::Present(PluginIdentity { name, version, abi, entry, .. }) => {
            Some(format!("{name} {version}, ABI {abi}, entry {entry}"))
        }
        _ => None,
    }
}

fn hash(facts: &ElfFacts) -> &'static str {
    match (facts.hash_tables.gnu, facts.hash_tables.sysv) {
        (true, true) => "both",
        (true, false) => "gnu",
        (false, true) => "sysv",
        (false, false) => "none",
    }
}

fn needs(facts: &ElfFacts) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    let libraries =
        facts.needed.iter().chain(facts.required_versions.iter().map(|required| &required.library));
    for library in libraries {
        place.entry(library).or_insert_with(|| {
            needs.push(Need { library: library.to_string(), versions: Vec::new(), symbols: Vec::new() });
            needs.len() - 1
        });
    }
    for required in &facts.required_versions {
        needs[place[&*required.library]].versions.push(required.version.to_string());
    }
    for import in &facts.imports {
        if let (Some(library), Some(version)) = (&import.library, &import.version)
            && let Some(at) = place.get(&**library)
        {
            needs[*at].symbols.push(format!("{}@{version}", import.name));
        }
    }
    needs
}

/// Symbols that ask for the highest version of glibc, and the highest that the others ask for.
fn what_raises_the_floor(facts: &ElfFacts) -> (Vec<String>, Option<String>) {
    let Some(floor) = facts.glibc_floor else { return (Vec::new(), None) };
    let mut raised_by = BTreeSet::new();
    let mut below: Option<LibcVersion> = None;
    for required in &facts.required_versions {
        match LibcVersion::of_symbol_version(&required.version) {
            Some(version) if version == floor => {
                let before = raised_by.len();
                raised_by.extend(
                    facts.symbols_needing(required).map(|name| format!("{name}@{}", required.version)),
                );
                if raised_by.len() == before {
                    raised_by.insert(format!("{} of {}", required.version, required.library));
                }
            }
            version => below = below.max(version),
        }
    }
    (raised_by.into_iter().collect(), below.map(|version| version.to_string()))
}

fn hardening(facts: &ElfFacts, writable: &[String]) -> Hardening {
    let relro = match (facts.hardening.relro, facts.hardening.bind_now) {
        (true, true) => "full",
        (true, false) => "partial",
        (false, _) => "none",
    };
    let is_unsafe = |folder: &&String| run_path::is_unsafe_anywhere(folder) || writable.contains(*folder);
    Hardening {
        relro: relro.to_owned(),
        bind_now: facts.hardening.bind_now,
        nx: !facts.traits.executable_stack && !facts.hardening.writable_code,
        text_relocations: facts.traits.text_relocations,
        writable_code: facts.hardening.writable_code,
        unsafe_run_path: facts.rpath.iter().chain(&facts.runpath).filter(is_unsafe).cloned().collect(),
    }
}
