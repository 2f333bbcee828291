//! The files that are inspected.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plugin_compat::{ElfError, ElfFacts};

use crate::build::sha256;

/// Where files are shown that lie outside of a host's root file system.
pub(super) const SHOWN_AT: &str = "/inspected";

/// A file to inspect.
pub(super) struct Subject {
    /// As it was named.
    pub(super) name: String,
    /// Where it lies, links resolved.
    pub(super) file: PathBuf,
    /// In bytes.
    pub(super) size: u64,
    /// Of its content, in hexadecimal.
    pub(super) sha256: String,
    /// What its bytes say.
    pub(super) facts: Result<ElfFacts, ElfError>,
}

/// Reads every file.
pub(super) fn read_all(files: &[PathBuf]) -> Result<Vec<Subject>> {
    let read = |path: &PathBuf| {
        let explain = || format!("cannot read {}", path.display());
        let file = path.canonicalize().with_context(explain)?;
        let bytes = fs::read(&file).with_context(explain)?;
        Ok(Subject::of(path.display().to_string(), file, &bytes))
    };
    files.iter().map(read).collect()
}

impl Subject {
    /// The file called `name` that lies at `file`, links resolved, and has these bytes.
    pub(super) fn of(name: String, file: PathBuf, bytes: &[u8]) -> Subject {
        let (size, sha256) = (bytes.len() as u64, sha256(bytes));
        Subject { name, file, size, sha256, facts: ElfFacts::parse(bytes) }
    }

    /// Whether it belongs to the root file system `rootfs`, which is resolved.
    pub(super) fn lies_in(&self, rootfs: &Path) -> bool {
        self.file.starts_with(rootfs)
    }

    /// Its path as a program in `rootfs` sees it.
    pub(super) fn path_in(&self, rootfs: &Path) -> String {
        match self.file.strip_prefix(rootfs) {
            Ok(inside) => format!("/{}", inside.display()),
            Err(_) => format!("{SHOWN_AT}/{}", self.staged()),
        }
    }

    /// Its path below the folder that is shown to hosts that do not have it: files of one name are kept apart, and each is
    /// called the same in every run.
    pub(super) fn staged(&self) -> String {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        format!("{}/{name}", &self.sha256[..16])
    }
}
