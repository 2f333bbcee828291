//! The stages of loading, for hosts that do something between them; others call [`load()`](crate::load()).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use plugin_abi::Identity;
use plugin_compat::{ElfFacts, PluginIdentity as Note, Policy, judge_unreadable};

use crate::digest::Sha256Digest;
use crate::image::{Image, MapError};
use crate::load::{Admission, Host, LoadError, refused};
use crate::plugin::{Origin, Plugin};
use crate::sealed::SealedCopy;
use crate::trial::Trial;
use crate::trust::open_trusted;

/// The bytes of a file that may be a plugin, from a file that can be trusted. Nothing else was looked at.
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: Sha256Digest,
}

/// A candidate that the judge found loadable, in a form that nobody can change any more. None of its code has run.
#[derive(Debug)]
pub struct Judged {
    path: PathBuf,
    sha256: Sha256Digest,
    copy: SealedCopy,
    note: Note,
    remarks: Vec<String>,
}

/// Largest plugin that is read, in bytes. The copy in memory has that size, too.
pub(crate) const LARGEST_FILE: u64 = 1 << 30;

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

    /// Judges exactly these bytes, whatever has become of the file meanwhile.
    ///
    /// # Errors
    /// [`LoadError::NotAllowed`], [`LoadError::Refused`], and [`LoadError::Map`] if there is no memory for a sealed copy.
    pub fn judge(self, host: &Host, admission: &Admission) -> Result<Judged, LoadError> {
        let Self { path, bytes, sha256 } = self;
        if admission.allow_list.as_ref().is_some_and(|list| !list.allows(&sha256)) {
            return Err(LoadError::NotAllowed { path, sha256 });
        }
        let policy = admission.kind.map_or_else(Policy::any_kind, Policy::kind);
        let policy = policy.allowing_abort(admission.allow_abort);
        let facts = ElfFacts::parse(&bytes).map_err(|error| refused(&path, judge_unreadable(&error)))?;
        let verdict = host.judge(&facts, &policy);
        let note = facts.note.identity().filter(|_| verdict.loadable).cloned();
        let Some(note) = note else { return Err(refused(&path, verdict)) };
        let label = path.file_name().unwrap_or_default().to_string_lossy();
        match SealedCopy::new(&label, &bytes) {
            Ok(copy) => Ok(Judged { path, sha256, copy, note, remarks: verdict.remarks }),
            Err(source) => Err(LoadError::Map { path, source: MapError::Copy(source) }),
        }
    }
}

impl Judged {
    /// Has another process load it first, so that a constructor that crashes, hangs or exits ends that process and not this
    /// one. `program` starts a program that calls [`trial::run`](crate::trial::run) with the arguments it is given here; of
    /// the operator's labels and the rest of `host` it is told what this process knows.
    ///
    /// # Errors
    /// If the process cannot be started. Whether the trial succeeds is what [`Trial::wait`] tells.
    pub fn start_trial(&self, program: &mut Command, host: &Host, patience: Duration) -> io::Result<Trial> {
        Trial::start(&self.path, &self.copy, program, host.environment(), patience)
    }

    /// Loads it and asks whether it accepts the host.
    ///
    /// # Errors
    /// [`LoadError::Map`], [`LoadError::Entry`] and [`LoadError::Accept`].
    pub fn load(self, host: &Host) -> Result<Plugin, LoadError> {
        let Self { path, sha256, copy, note, remarks } = self;
        // SAFETY: the operator put these bytes where only the operator can, and the judge found that they are a
        // plugin for this process. More cannot be known of foreign code.
        let image = match unsafe { Image::map_sealed(copy) } {
            Ok(image) => image,
            Err(source) => return Err(LoadError::Map { path, source }),
        };
        let origin = Origin::File { path: path.clone(), sha256 };
        // SAFETY: as above; the note is the judged one of the mapped bytes.
        let plugin = match unsafe { Plugin::in_image(&image, &identity(&note), origin) } {
            Ok(plugin) => plugin,
            Err(source) => return Err(LoadError::Entry { path, source }),
        };
        match plugin.accept(host.environment()) {
            Ok(()) => Ok(plugin.with_remarks(remarks)),
            Err(source) => Err(LoadError::Accept { path, source }),
        }
    }
}

/// What a note says, in the contract's own form.
pub(crate) fn identity(note: &Note) -> Identity<'_> {
    Identity {
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
    }
}

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
