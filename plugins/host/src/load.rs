//! From a file on disk to a usable plugin: trusted, read, judged, mapped, checked, accepted.
//!
//! What is judged and what is mapped are the same bytes in memory. From the moment they were read the
//! file does not matter any more: it may be rewritten, cut short or removed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use plugin_abi::Kind;
use plugin_compat::{ElfFacts, HostError, HostReader, Policy, Reason, Verdict, judge};

use crate::call::CallError;
use crate::candidate::{Candidate, LARGEST_FILE};
use crate::digest::{AllowList, Sha256Digest};
use crate::entry::EntryError;
use crate::environment::HostEnvironment;
use crate::image::MapError;
use crate::plugin::Plugin;
use crate::trust::Distrust;

/// This process as a host: what its plugins are judged against and what they are told about it.
pub struct Host {
    /// Reads a library of the system when the first plugin needs it.
    reader: Mutex<HostReader>,
    environment: HostEnvironment,
}

/// Which plugins may be loaded at all.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Digests of the only plugins that may be loaded; any, if not given.
    pub allow_list: Option<AllowList>,
    /// The only kind of plugin that is wanted; any, if not given.
    pub kind: Option<Kind>,
    /// Whether plugins are loaded whose panics end this process (`panic = "abort"`). Without it they are refused with the
    /// code `panic.abort`.
    pub allow_abort: bool,
}

impl Host {
    /// Reads the facts of the running process and of the system around it; some milliseconds. `labels`
    /// are what the operator says of this host.
    ///
    /// # Errors
    /// If program or C library of this process cannot be read, among others because /proc is not mounted.
    pub fn of_this_process(labels: BTreeMap<String, String>) -> Result<Self, HostError> {
        let reader = HostReader::of_running_process()?;
        let version = reader.facts().libc.as_ref().and_then(|libc| libc.version.as_ref());
        let version = version.map(ToString::to_string).unwrap_or_default();
        Ok(Self { environment: HostEnvironment::gather(labels, version), reader: Mutex::new(reader) })
    }

    /// What plugins are told about this host.
    pub fn environment(&self) -> &HostEnvironment {
        &self.environment
    }

    pub(crate) fn judge(&self, plugin: &ElfFacts, policy: &Policy) -> Verdict {
        // A panic in the reader leaves it with fewer facts, never with wrong ones.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        judge(plugin, reader.learn(plugin), policy)
    }
}

/// Loads the plugin at `path` into `host`, if it may be and wants to be.
///
/// None of its code runs before it was judged. Loading the same file again gives a second plugin, with
/// memory of its own. Blocks as long as the file system and the plugin's own initialisation do.
///
/// # Errors
/// [`LoadError`]. Only [`LoadError::Map`], [`LoadError::Entry`] and [`LoadError::Accept`] may have run code of
/// the plugin.
pub fn load(host: &Host, admission: &Admission, path: &Path) -> Result<Plugin, LoadError> {
    Candidate::read(path)?.judge(host, admission)?.load(host)
}

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Somebody else might have written it, or it is not there.
    #[error(transparent)]
    Distrusted(Distrust),
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than any plugin.
    #[error("{} has more than {LARGEST_FILE} bytes; no plugin needs that many", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The allow-list does not have it.
    #[error("{} is not on the allow-list; add its SHA-256 {sha256} if it is yours", path.display())]
    NotAllowed {
        /// The file.
        path: PathBuf,
        /// Its digest.
        sha256: Sha256Digest,
    },
    /// The judge refused it; none of its code has run.
    #[error("{} cannot be loaded here: {}", path.display(), join(reasons))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Every reason, the most fundamental first; at least one.
        reasons: Vec<Reason>,
    },
    /// The dynamic loader refused it, although the judge did not.
    #[error("{} could not be mapped", path.display())]
    Map {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: MapError,
    },
    /// What it exports is not what its note promises.
    #[error("{} cannot be used", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: EntryError,
    },
    /// It does not want to run on this host.
    #[error("{} does not accept this host", path.display())]
    Accept {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: CallError,
    },
}

impl LoadError {
    /// The stable code of the most fundamental reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Distrusted(distrust) => distrust.code(),
            Self::Read { .. } => "file.unreadable",
            Self::TooLarge { .. } => "file.too-large",
            Self::NotAllowed { .. } => "file.not-allowed",
            Self::Refused { reasons, .. } => {
                reasons.first().map_or("judge.refused", |reason| reason.code.as_str())
            }
            Self::Map { .. } => "loader.refused",
            Self::Entry { source, .. } => source.code(),
            Self::Accept { source, .. } => source.accept_code(),
        }
    }

    /// Every reason of the judge; none if it was not the judge who refused.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Refused { reasons, .. } => reasons,
            _ => &[],
        }
    }
}

pub(crate) fn refused(path: &Path, verdict: Verdict) -> LoadError {
    LoadError::Refused { path: path.to_owned(), reasons: verdict.reasons }
}

fn join(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; and ")
}
