//! From a file on disk to a usable plugin: trusted, read, judged, mapped, checked, accepted.
//!
//! What is judged and what is mapped are the same bytes in memory. From the moment they were read the
//! file does not matter any more: it may be rewritten, cut short or removed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use plugin_abi::{Identity, Kind};
use plugin_compat::{ElfFacts, HostError, HostReader, Policy, Reason, Verdict, judge, judge_unreadable};

use crate::call::CallError;
use crate::digest::{AllowList, Sha256Digest};
use crate::entry::EntryError;
use crate::environment::HostEnvironment;
use crate::image::{Image, MapError};
use crate::plugin::{Origin, Plugin};
use crate::trust::{Distrust, open_trusted};

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

    fn judge(&self, plugin: &ElfFacts, policy: &Policy) -> Verdict {
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
    Candidate::read(path)?.load(host, admission)
}

/// The bytes of a file that may be a plugin, from a file that can be trusted. Nothing else was looked at.
///
/// For hosts that want to know whether a file has changed before they load it; others use [`load()`].
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: Sha256Digest,
}

impl Candidate {
    /// Reads a file whole, after [`open_trusted`] had nothing against it.
    ///
    /// # Errors
    /// [`LoadError::Distrusted`], [`LoadError::Read`] and [`LoadError::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let file = open_trusted(path).map_err(LoadError::Distrusted)?;
        let bytes = read_whole(file, path)?;
        let sha256 = Sha256Digest::of(&bytes);
        Ok(Self { path: path.to_owned(), bytes, sha256 })
    }

    /// Digest of the bytes.
    pub fn sha256(&self) -> &Sha256Digest {
        &self.sha256
    }

    /// Loads exactly these bytes, whatever has become of the file meanwhile.
    ///
    /// # Errors
    /// As [`load()`], except those of reading.
    pub fn load(&self, host: &Host, admission: &Admission) -> Result<Plugin, LoadError> {
        let Self { path, bytes, sha256 } = self;
        if admission.allow_list.as_ref().is_some_and(|list| !list.allows(sha256)) {
            return Err(LoadError::NotAllowed { path: path.clone(), sha256: *sha256 });
        }
        let policy = admission.kind.map_or_else(Policy::any_kind, Policy::kind);
        let facts = ElfFacts::parse(bytes).map_err(|error| refused(path, judge_unreadable(&error)))?;
        let verdict = host.judge(&facts, &policy);
        let note = facts.note.identity().filter(|_| verdict.loadable);
        let Some(note) = note else { return Err(refused(path, verdict)) };
        let identity = Identity {
            abi_major: note.abi.major,
            abi_minor: note.abi.minor,
            kind: note.kind,
            name: &note.name,
            version: &note.version,
            entry: &note.entry,
            target: &note.target,
            compiler: &note.compiler,
            profile: &note.profile,
            source_digest: &note.source_digest,
        };

        let label = path.file_name().unwrap_or_default().to_string_lossy();
        // SAFETY: the operator put these bytes where only the operator can, and the judge found that they are a
        // plugin for this process. More cannot be known of foreign code.
        let image = unsafe { Image::map(&label, bytes) }
            .map_err(|source| LoadError::Map { path: path.clone(), source })?;
        let origin = Origin::File { path: path.clone(), sha256: *sha256 };
        // SAFETY: as above; the note is the judged one of the mapped bytes.
        let plugin = unsafe { Plugin::in_image(&image, &identity, origin) }
            .map_err(|source| LoadError::Entry { path: path.clone(), source })?;
        plugin
            .accept(&host.environment)
            .map_err(|source| LoadError::Accept { path: path.clone(), source })?;
        Ok(plugin.with_remarks(verdict.remarks))
    }
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
            Self::Accept { source, .. } if source.is_panic() => "accept.panicked",
            Self::Accept { source, .. } if source.status.is_failure() => "accept.failed",
            Self::Accept { .. } => "accept.declined",
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

/// Largest plugin that is read, in bytes. The copy in memory has that size, too.
const LARGEST_FILE: u64 = 1 << 30;

fn read_whole(file: File, path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn refused(path: &Path, verdict: Verdict) -> LoadError {
    LoadError::Refused { path: path.to_owned(), reasons: verdict.reasons }
}

fn join(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; and ")
}
