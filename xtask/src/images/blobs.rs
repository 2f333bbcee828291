//! The store of downloaded files, named by their SHA-256. A file in it has been checked; a wrong one never gets in.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tempfile::NamedTempFile;

use super::digest::{self, HashingWriter};
use super::disk;
use super::http::{Client, DownloadError, Progress};
use super::lock::LockedPackage;
use super::store::Guard;

const PARALLEL_DOWNLOADS: usize = 4;
const PARTIAL: &str = ".partial-";

/// The folder of blobs.
pub(super) struct Blobs {
    folder: PathBuf,
}

/// Where packages are downloaded from: the mirror, then the snapshot mirror.
pub(super) struct Sources {
    pub(super) client: Client,
    pub(super) mirrors: Vec<String>,
}

/// What a fetch ended with when no file was wrong.
pub(super) enum Fetched {
    /// Every package is there.
    All,
    /// These packages have left the mirror.
    Gone(Vec<LockedPackage>),
}

impl Blobs {
    pub(super) fn open(cache: &Path) -> Result<Blobs> {
        let folder = cache.join("blobs");
        fs::create_dir_all(&folder).map_err(|error| disk::explain(error, &folder, 0))?;
        Ok(Blobs { folder })
    }

    /// Removes downloads that an interrupted run has left half-made. The guard shows that nobody is at them.
    pub(super) fn sweep(&self, _guard: &Guard) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    /// The file with that sum, if it is there.
    pub(super) fn get(&self, sha256: &str) -> Option<PathBuf> {
        let path = self.folder.join(sha256);
        path.is_file().then_some(path)
    }

    /// Packages that are not there yet.
    pub(super) fn missing<'a>(&self, packages: &'a [LockedPackage]) -> Vec<&'a LockedPackage> {
        packages.iter().filter(|package| self.get(&package.sha256).is_none()).collect()
    }

    /// Downloads what is missing, several at a time. The first file that is wrong or cannot be had ends it.
    pub(super) fn fetch(
        &self,
        sources: &Sources,
        image: &str,
        packages: &[LockedPackage],
    ) -> Result<Fetched> {
        let missing = self.missing(packages);
        if missing.is_empty() {
            return Ok(Fetched::All);
        }
        let total: u64 = missing.iter().map(|package| package.size).sum();
        let bar = progress_bar(image, missing.len(), total);
        let next = AtomicUsize::new(0);
        let gone = Mutex::new(Vec::new());
        let failure = Mutex::new(None);
        thread::scope(|scope| {
            for _ in 0..PARALLEL_DOWNLOADS.min(missing.len()) {
                scope.spawn(|| {
                    while let Some(package) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match self.fetch_one(sources, package, &bar) {
                            Ok(true) => {}
                            Ok(false) => lock(&gone).push((*package).clone()),
                            Err(error) => {
                                lock(&failure).get_or_insert(error);
                                next.store(missing.len(), Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        bar.finish_and_clear();
        if let Some(error) = lock(&failure).take() {
            return Err(error.context(self.inventory(image, packages)));
        }
        let mut gone = std::mem::take(&mut *lock(&gone));
        gone.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
        Ok(if gone.is_empty() { Fetched::All } else { Fetched::Gone(gone) })
    }

    /// Puts a file that lies elsewhere into the store, after checking it.
    pub(super) fn adopt(&self, file: &Path, sha256: &str) -> Result<PathBuf> {
        let mut copy = self.temporary()?;
        io::copy(&mut fs::File::open(file)?, &mut copy)
            .map_err(|error| disk::explain(error, &self.folder, 0))?;
        let (_, got) = digest::of_file(copy.path())?;
        if got != sha256 {
            bail!("{} has SHA-256 {got}, the definition says {sha256}", file.display());
        }
        self.publish(copy, sha256)?;
        Ok(self.folder.join(sha256))
    }

    /// Whether the package could be had; an error when it is wrong or the network fails.
    fn fetch_one(&self, sources: &Sources, package: &LockedPackage, bar: &ProgressBar) -> Result<bool> {
        for mirror in &sources.mirrors {
            let address = format!("{mirror}/{}", package.path);
            let received = std::cell::Cell::new(0);
            let progress = |event| match event {
                Progress::Received(length) => {
                    received.set(received.get() + length);
                    bar.inc(length);
                }
                Progress::Restarted => bar.set_position(bar.position().saturating_sub(received.replace(0))),
            };
            let open = || Ok(HashingWriter::new(BufWriter::new(self.temporary_io()?)));
            let writer = match sources.client.download(&address, open, &progress) {
                Ok(writer) => writer,
                Err(DownloadError::Gone { .. }) => continue,
                Err(DownloadError::Store { source, .. }) => {
                    return Err(disk::explain(source, &self.folder, package.size));
                }
                Err(error) => {
                    return Err(anyhow::Error::new(error).context("check the network, or give --mirror URL"));
                }
            };
            let (file, length, got) = writer.into_parts();
            if length != package.size || got != package.sha256 {
                bail!(
                    "{address} is not the file that the lock pins: expected {} bytes with SHA-256 {}, got {length} bytes with SHA-256 {got}; it was thrown away: use another mirror (--mirror URL), or renew the lock if the archive has replaced the file",
                    package.size,
                    package.sha256
                );
            }
            let file =
                file.into_inner().map_err(|error| disk::explain(error.into_error(), &self.folder, 0))?;
            self.publish(file, &package.sha256)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        self.temporary_io().map_err(|error| disk::explain(error, &self.folder, 0))
    }

    fn temporary_io(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(PARTIAL).tempfile_in(&self.folder)
    }

    fn publish(&self, mut file: NamedTempFile, sha256: &str) -> Result<()> {
        let path = self.folder.join(sha256);
        file.flush()?;
        // A temporary file is private to its owner; a cache may be shared.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(())
    }

    /// One sentence on what an image has and lacks, for a machine without network.
    fn inventory(&self, image: &str, packages: &[LockedPackage]) -> String {
        let missing = self.missing(packages);
        let mut names: Vec<_> =
            missing.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        let more = names.len().saturating_sub(20);
        names.truncate(20);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(
            "image {image} cannot be fetched: {} of {} packages are cached in {}, not cached: {}{more}",
            packages.len() - missing.len(),
            packages.len(),
            self.folder.display(),
            names.join(", ")
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A bar where stderr is a terminal, one line where it is not.
fn progress_bar(image: &str, files: usize, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let s = if files == 1 { "" } else { "s" };
    if bar.is_hidden() {
        eprintln!("{image}: downloading {files} file{s}, {} MB", bytes.div_ceil(1_000_000));
    }
    let template = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(format!("{image}: {files} file{s}"));
    bar
}
