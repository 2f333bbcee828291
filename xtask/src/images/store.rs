//! The folder of unpacked images, `images/<digest>/`. A folder with that name is complete; everything else is rubbish
//! of an interrupted run and is swept away by the next one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::disk;
use super::layer::Layer;
use crate::cache_use::mark_used;

/// What the names of folders begin with that are no images.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// The folder of unpacked images.
pub(super) struct Store {
    folder: PathBuf,
}

/// Held by the one process that may make images; let go when it is dropped or the process ends in any way.
pub(super) struct Guard {
    _file: File,
}

/// An image that is being made; removed unless it is published.
pub(super) struct Unfinished {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(cache: &Path) -> Result<Store> {
        let folder = cache.join("images");
        fs::create_dir_all(&folder).map_err(|error| disk::explain(error, &folder, 0))?;
        Ok(Store { folder })
    }

    /// The root file system of the image with that digest, if it is there.
    pub(super) fn rootfs(&self, digest: &str) -> Option<PathBuf> {
        let rootfs = self.image(digest).join("rootfs");
        rootfs.is_dir().then_some(rootfs)
    }

    /// The folder of the image with that digest, there or not.
    pub(super) fn image(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.trim_start_matches("sha256:"))
    }

    /// The layers of an image that is there, and its configuration.
    pub(super) fn description(&self, digest: &str) -> Result<(Vec<Layer>, Vec<u8>)> {
        let image = self.image(digest);
        let read = |name: &str| {
            let path = image.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok((serde_json::from_slice(&read("layers.json")?)?, read("config.json")?))
    }

    /// Waits until no other process makes images, then sweeps away what interrupted ones have left.
    pub(super) fn lock(&self) -> Result<Guard> {
        let path = self.folder.join(".lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| disk::explain(error, &self.folder, 0))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!("waiting for another xtask that is making images in {}", self.folder.display());
            flock(&file, FlockOperation::LockExclusive)
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                eprintln!("removing what an interrupted run has left: {}", entry.path().display());
                remove_tree(&entry.path())?;
            }
        }
        Ok(Guard { _file: file })
    }

    /// A fresh folder to make an image in, with an empty `rootfs`. The guard shows that nobody else sweeps it away.
    pub(super) fn begin(&self, _guard: &Guard) -> Result<Unfinished> {
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.folder);
        let folder = made.map_err(|error| disk::explain(error, &self.folder, 0))?.keep();
        let unfinished = Unfinished { folder };
        fs::set_permissions(&unfinished.folder, Permissions::from_mode(0o755))?;
        fs::create_dir(unfinished.rootfs())?;
        Ok(unfinished)
    }

    /// Puts a finished image into its place in one rename, and gives its root file system.
    pub(super) fn publish(
        &self,
        image: Unfinished,
        digest: &str,
        layers: &[Layer],
        config: &[u8],
    ) -> Result<PathBuf> {
        image.describe(layers, config)?;
        let place = self.image(digest);
        if !place.exists() {
            fs::rename(&image.folder, &place).map_err(|error| disk::explain(error, &self.folder, 0))?;
        }
        mark_used(&place);
        Ok(place.join("rootfs"))
    }
}

impl Unfinished {
    pub(super) fn rootfs(&self) -> PathBuf {
        self.folder.join("rootfs")
    }

    /// Writes down what the image consists of, beside its root file system.
    pub(super) fn describe(&self, layers: &[Layer], config: &[u8]) -> Result<()> {
        let explain = |error| disk::explain(error, &self.folder, 0);
        fs::write(self.folder.join("layers.json"), serde_json::to_vec(layers)?).map_err(explain)?;
        fs::write(self.folder.join("config.json"), config).map_err(explain)
    }

    /// The folder of all images, which stays when this one goes.
    pub(super) fn images(&self) -> PathBuf {
        self.folder.parent().unwrap_or(&self.folder).to_path_buf()
    }

    /// A folder of that name beside the root file system, to be removed before the image is published.
    pub(super) fn beside(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir(&path).map_err(|error| disk::explain(error, &path, 0))?;
        Ok(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What cannot be removed now is swept away by the next run.
        let _ = remove_tree(&self.folder);
    }
}

/// Removes a folder with everything in it, also where folders are not writable, as some are in packages.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => make_writable(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot remove {}", path.display())),
        Ok(()) => return Ok(()),
    }
    fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))
}

fn make_writable(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_leaves_nothing_that_is_trusted() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::open(cache.path()).unwrap();
        let digest = format!("sha256:{}", "a".repeat(64));
        let guard = store.lock().unwrap();
        let unfinished = store.begin(&guard).unwrap();
        let locked = unfinished.rootfs().join("locked");
        fs::create_dir(&locked).unwrap();
        fs::write(locked.join("file"), "x").unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o500)).unwrap();
        // As if the process had been killed.
        std::mem::forget(unfinished);
        drop(guard);

        assert_eq!(store.rootfs(&digest), None);
        let _guard = store.lock().unwrap();
        let left: Vec<_> = fs::read_dir(cache.path().join("images")).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "only the lock file: {left:?}");
    }

    #[test]
    fn a_published_image_is_found_by_its_digest() {
        let cache = tempfile::tempdir().unwrap();
        let store = Store::open(cache.path()).unwrap();
        let guard = store.lock().unwrap();
        let unfinished = store.begin(&guard).unwrap();
        fs::write(unfinished.rootfs().join("file"), "x").unwrap();
        let digest = format!("sha256:{}", "b".repeat(64));
        let rootfs = store.publish(unfinished, &digest, &[], b"{}").unwrap();
        assert_eq!(store.rootfs(&digest), Some(rootfs.clone()));
        assert_eq!(fs::read_to_string(rootfs.join("file")).unwrap(), "x");
        assert_eq!(store.description(&digest).unwrap(), (Vec::new(), b"{}".to_vec()));
    }
}
