//! Who uses the cache at this moment, and when something in it was last used: what `images prune` goes by.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

/// The file that is locked (flock(2)).
const LOCK: &str = ".in-use";

/// Held by every command as long as it runs, by many at a time, so that nothing is removed that one of them uses. Let go when it is dropped or the
/// process ends in any way.
#[derive(Debug)]
pub(crate) struct CacheUse {
    /// None where there is no cache yet, or it belongs to somebody else who let us only read: then nobody removes anything by us.
    file: Option<File>,
}

impl CacheUse {
    /// Waits while another process removes things. Makes nothing where there is no cache.
    pub(crate) fn begin(cache: &Path) -> CacheUse {
        let path = cache.join(LOCK);
        let opened = File::open(&path)
            .or_else(|_| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
        let Ok(file) = opened else { return CacheUse { file: None } };
        if flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
            eprintln!("waiting for another xtask that removes what is old from {}", cache.display());
            // Where locks do not work, nobody gets the one for himself either.
            let _ = flock(&file, FlockOperation::LockShared);
        }
        CacheUse { file: Some(file) }
    }

    /// From now on nobody else uses it, until this is dropped.
    ///
    /// # Errors
    /// Others use it.
    pub(crate) fn be_alone(&self, cache: &Path) -> Result<()> {
        let Some(file) = &self.file else {
            bail!("{} cannot be locked; there is no cache, or it is not yours", cache.display());
        };
        flock(file, FlockOperation::NonBlockingLockExclusive)
            .with_context(|| format!("another xtask uses {}; try again when it has ended", cache.display()))
    }
}

/// Sets the time at which something of the cache was last used. Whoever may not has a cache that others look after.
pub(crate) fn mark_used(path: &Path) {
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// When it was last used, or made.
pub(crate) fn last_used(path: &Path) -> Result<SystemTime> {
    let metadata = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    metadata.with_context(|| format!("cannot look at {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_removes_is_alone_and_others_use_it_together() {
        let cache = tempfile::tempdir().unwrap();
        let (one, other) = (CacheUse::begin(cache.path()), CacheUse::begin(cache.path()));
        let error = one.be_alone(cache.path()).unwrap_err().to_string();
        assert!(error.contains("another xtask uses"), "{error}");
        drop(other);
        one.be_alone(cache.path()).unwrap();
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| CacheUse::begin(cache.path()));
            drop(one);
            waiting.join().unwrap()
        });
        assert!(waiting.file.is_some());

        let nowhere = cache.path().join("none");
        let error = CacheUse::begin(&nowhere).be_alone(&nowhere).unwrap_err().to_string();
        assert!(error.contains("there is no cache") && !nowhere.exists(), "{error}");
    }

    #[test]
    fn files_and_folders_remember_when_they_were_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let before = SystemTime::now() - Duration::from_secs(1_000);
        for path in [&file, folder.path()] {
            File::open(path).unwrap().set_modified(before).unwrap();
            assert!(last_used(path).unwrap() <= before);
            mark_used(path);
            assert!(last_used(path).unwrap() > before, "{}", path.display());
        }
        mark_used(&folder.path().join("none"));
    }
}
