//! What no honest file comes near to.
//!
//! A loader takes such a file, and takes as long for it as it takes. Whoever judges files of strangers must not: these bounds keep the time
//! and the memory for one file within a small multiple of its size, where tables that point at each other would multiply.

use super::{ElfError, ElfFacts, Export};

/// Libraries that are needed, or stand in for the file's own symbols. Browsers that are built of many parts have five hundred.
pub(super) const MOST_NEEDED: usize = 4096;
/// Folders of a run path. Nix gives a file a folder for each library that it needs.
pub(super) const MOST_FOLDERS: usize = 1024;
/// Versions that are required, and versions that are defined. glibc defines fifty.
pub(super) const MOST_VERSIONS: usize = 1024;
/// Entries of the tables that tell them, with those of libraries and of versions that others inherit from.
pub(super) const MOST_VERSION_ENTRIES: usize = 8192;
/// Definitions of one symbol, which differ in their version.
const MOST_DEFINITIONS: usize = 256;
/// All paths together at which needed libraries would be searched, in bytes, each with what it costs to keep it in mind.
const MOST_PATHS: usize = 16 << 20;
const COST_OF_A_PATH: usize = 32;

/// Refuses facts that are beyond those bounds.
pub(super) fn check(facts: &ElfFacts) -> Result<(), ElfError> {
    let bounds = [
        (facts.needed.len() + facts.filtees.len() > MOST_NEEDED, "it needs more than 4096 libraries"),
        (facts.required_versions.len() > MOST_VERSIONS, "it requires more than 1024 symbol versions"),
        (facts.defined_versions.len() > MOST_VERSIONS, "it defines more than 1024 symbol versions"),
        (
            definitions_of_one_name(&facts.exports) > MOST_DEFINITIONS,
            "it defines one symbol more than 256 times",
        ),
        (
            searched_paths(facts) > MOST_PATHS,
            "its run path and the libraries that it needs make more than 16 MiB of paths to search",
        ),
    ];
    match bounds.iter().find(|(is_beyond, _)| *is_beyond) {
        Some((_, what)) => Err(ElfError::malformed(what)),
        None => Ok(()),
    }
}

/// The most definitions that one name has. `exports` are sorted by name.
fn definitions_of_one_name(exports: &[Export]) -> usize {
    exports.chunk_by(|one, next| one.name == next.name).map(<[Export]>::len).max().unwrap_or(0)
}

/// The length of every folder with every name behind it, and what the paths cost besides.
fn searched_paths(facts: &ElfFacts) -> usize {
    let folders = || facts.rpath.iter().chain(&facts.runpath);
    let of_folders: usize = folders().map(|folder| folder.len() + COST_OF_A_PATH).sum();
    let names = || facts.needed.iter().chain(facts.filtees.iter().map(|filtee| &filtee.library));
    let of_names: usize = names().map(|name| name.len()).sum();
    of_folders.saturating_mul(names().count()).saturating_add(of_names.saturating_mul(folders().count()))
}
