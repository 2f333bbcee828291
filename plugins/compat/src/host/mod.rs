//! Facts about a host: a program with the root file system it runs in.

mod cache;
mod error;
mod libc_version;
mod places;
mod processor;
mod read;
mod resolve;
mod root;
mod run_path;
mod search;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use error::HostError;
pub use read::HostReader;
pub(crate) use resolve::{LoadedObject, Resolution, Resolved, Unresolved, load};
pub(crate) use search::is_c_library_to_musl;

use crate::{AbiVersion, ElfFacts, LibcFamily, LibcVersion};

/// What decides whether a plugin loads in a host, in a form that can be stored and judged against later.
///
/// It holds the libraries that were asked for, not all the host has: [`HostReader::learn`] reads what a plugin needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostFacts {
    /// The host's name in reasons: `bookworm-x86_64-gnu`.
    pub name: String,
    /// The program that loads plugins: its machine, needs and exported symbols.
    pub program: ElfFacts,
    /// Where the program lies inside its root, links resolved; the folders that it names by `$ORIGIN` lead nowhere without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_path: Option<String>,
    /// Where the program is when it opens plugins: what relative folders of run paths start from. They lead nowhere without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// The x86-64 level (1 to 4) of the processor that it runs on: glibc has folders for libraries that need newer ones, and refuses files that are
    /// marked for a higher one. With none, no such folder is searched, and only what is marked for a level that no processor has is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x86_64_level: Option<u8>,
    /// The C library it runs on; none for a static program.
    pub libc: Option<HostLibc>,
    /// The contract it offers.
    pub abi: AbiVersion,
    /// Folders searched for libraries by default, in order, as paths inside the root.
    pub search_path: Vec<String>,
    /// Where a name that was asked for leads: the path of a library in [`HostFacts::libraries`], or nowhere.
    /// A key is a library's name, searched by default, or that behind a colon, searched everywhere but in the loader's default folders, or
    /// an absolute path.
    pub lookups: BTreeMap<String, Option<String>>,
    /// The libraries found, by their path inside the root, links resolved.
    pub libraries: BTreeMap<String, HostLibrary>,
}

/// A host's C library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostLibc {
    /// Its family.
    pub family: LibcFamily,
    /// Its version; none if its file does not tell.
    pub version: Option<LibcVersion>,
    /// The key of the library itself in [`HostFacts::libraries`].
    pub path: String,
}

/// A file that a library's name leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HostLibrary {
    /// A library.
    Elf(Box<ElfFacts>),
    /// Something the loader cannot use, and why.
    Unusable(String),
}

impl HostFacts {
    /// The libc as people name it: `glibc 2.36`, `musl 1.2.5`, `no C library (static)`.
    pub fn libc_name(&self) -> String {
        match &self.libc {
            None => "no C library (static)".to_owned(),
            Some(HostLibc { family, version: None, .. }) => family.to_string(),
            Some(HostLibc { family, version: Some(version), .. }) => format!("{family} {version}"),
        }
    }

    /// The libc's family.
    pub fn libc_family(&self) -> Option<LibcFamily> {
        self.libc.as_ref().map(|libc| libc.family)
    }
}
