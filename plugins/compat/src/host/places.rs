//! The places at which a needed library is looked for, one after the other.

use super::{HostFacts, processor};

/// No file has a longer path, in bytes (limits.h, PATH_MAX, without the NUL).
pub(super) const LONGEST_PATH: usize = 4095;

/// Where libraries are looked for that one object needs.
pub(super) struct Places {
    /// What it and those that brought it in name, with placeholders filled in.
    folders: Vec<String>,
    /// Below each of them, before itself.
    newer: Vec<String>,
    /// Whether the loader's default folders are left out.
    pub(super) skips_defaults: bool,
}

impl Places {
    pub(super) fn new(folders: Vec<String>, host: &HostFacts, skips_defaults: bool) -> Self {
        Self { folders, newer: processor::folders(host), skips_defaults }
    }

    /// Keys of [`HostFacts::lookups`] for a name without slash, in the order of search. Made while they are asked for, as a
    /// stranger's file may name many folders and many libraries.
    pub(super) fn keys<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        let in_folder = move |folder: &'a String| {
            let of_newer = self.newer.iter().map(move |newer| format!("{folder}/{newer}/{name}"));
            of_newer.chain(std::iter::once_with(move || format!("{folder}/{name}")))
        };
        let default = if self.skips_defaults { format!(":{name}") } else { name.to_owned() };
        let fits = |key: &String| key.len() <= LONGEST_PATH;
        self.folders.iter().flat_map(in_folder).chain([default]).filter(fits)
    }
}
