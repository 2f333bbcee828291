//! The folder of one build: a copy of the repository, a cache, a home, and one for temporary files.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::circumstances::{Namespaces, User};
use crate::{engine, images, worktree};

/// What of a cache builds share: all of it is named by a digest, and what is downloaded is checked by that.
pub(super) const SHARED: [&str; 3] = ["blobs", "crates", "images"];

/// Makes what is shared of a cache, as far as it is not there.
pub(super) fn make_shared(cache: &Path) -> Result<()> {
    SHARED.iter().try_for_each(|name| make_folder(&cache.join(name)))
}

/// A folder that is gone when this is dropped.
pub(super) struct Scratch {
    root: PathBuf,
    pub(super) path: PathBuf,
    keep: bool,
    /// An interrupt waits until the folder is gone.
    _guard: engine::Guard,
}

impl Scratch {
    /// By its physical path, since that is what cargo tells of the packages in there.
    pub(super) fn make(scratch: &Path, name: &str, keep: bool) -> Result<Scratch> {
        let physical = scratch.canonicalize();
        let root =
            physical.and_then(|scratch| tempfile::Builder::new().prefix("dynlab-repro-").tempdir_in(scratch));
        let root = root.with_context(|| format!("cannot make a folder in {}", scratch.display()))?.keep();
        let made = Scratch { path: root.join(name), root, keep, _guard: engine::on_interrupt(|| {}) };
        // Whoever builds there is not who made it.
        set_mode(&made.root, 0o755)?;
        make_folder(&made.path)?;
        set_mode(&made.path, 0o755)?;
        Ok(made)
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    pub(super) fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// Parts of this machine's cache, as they are.
    pub(super) fn shown(&self) -> PathBuf {
        self.path.join("shown")
    }

    /// Removes the images that were made in it, but for those that are `used` later. Whoever keeps it to look at keeps them all.
    pub(super) fn drop_images(&self, used: &BTreeSet<String>) -> Result<()> {
        if self.keep {
            return Ok(());
        }
        let folder = self.cache().join("images");
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
            let digest = entry.file_name();
            let digest = digest.to_string_lossy();
            // A link leads to an image of this machine's cache.
            if kind.is_dir() && images::is_sha256(&digest) && !used.contains(&*digest) {
                images::remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("repro: {} is kept", self.path.display());
        } else if images::remove_tree(&self.root).is_err() && images::remove_tree(&self.root).is_err() {
            // What was killed may have written to it while it was being removed the first time.
            eprintln!("repro: {} could not be removed", self.root.display());
        }
    }
}

/// Copies the repository, and makes the folders that a build has beside it, with the modes that `umask` leaves.
pub(super) fn lay_out(repository: &Path, folder: &Scratch, umask: u32) -> Result<()> {
    for name in ["home", "tmp"] {
        make_folder(&folder.path.join(name))?;
    }
    for name in SHARED {
        make_folder(&folder.cache().join(name))?;
    }
    let mut files = worktree::files(repository)?;
    // Some file systems list a folder in the order in which it was filled.
    files.sort_by(|one, other| other.cmp(one));
    for name in &files {
        let (from, to) = (repository.join(name), folder.repository().join(name));
        make_folder(to.parent().context("a file lies in a folder")?)?;
        fs::copy(&from, &to)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        let mode = to.metadata()?.permissions().mode();
        set_mode(&to, mode & !umask)?;
    }
    Ok(())
}

/// Shows the build what it shares with this machine's cache, which lies where `source` says: of images only those that are `known`.
pub(super) fn share(
    folder: &Scratch,
    known: &BTreeSet<String>,
    source: impl Fn(&str) -> PathBuf,
    namespaces: Namespaces,
) -> Result<()> {
    for name in SHARED {
        let shown = folder.shown().join(name);
        if namespaces == Namespaces::None {
            fs::remove_dir(&shown).ok();
            make_folder(&folder.shown())?;
            link(&source(name), &shown)?;
        }
        for entry in
            fs::read_dir(source(name)).with_context(|| format!("cannot list {}", source(name).display()))?
        {
            let entry = entry?.file_name();
            let digest = entry.to_string_lossy();
            // Each by itself: the folder is the build's own, so that nobody else's unfinished files are in it.
            if images::is_sha256(&digest) && (name != "images" || known.contains(&*digest)) {
                // The modes of what is in an image are its own.
                if namespaces == Namespaces::Plain && name != "images" {
                    make_readable(&source(name).join(&entry))?;
                }
                link(&shown.join(&entry), &folder.cache().join(name).join(&entry))?;
            }
        }
    }
    Ok(())
}

/// Lets everybody read what is at and below `path`, since whoever builds may be somebody else: crates are unpacked with the modes of their archives.
fn make_readable(path: &Path) -> Result<()> {
    let metadata = path.symlink_metadata().with_context(|| format!("cannot look at {}", path.display()))?;
    let mode = metadata.permissions().mode();
    let needed = if metadata.is_dir() { 0o055 } else { 0o044 };
    if !metadata.is_symlink() && mode & needed != needed {
        set_mode(path, mode | needed)?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
            make_readable(&entry?.path())?;
        }
    }
    Ok(())
}

/// Makes `user` the owner of everything at and below `path` but of what is below `except`.
pub(super) fn give(path: &Path, user: &User, except: &Path) -> Result<()> {
    let give_one = |path: &Path| {
        lchown(path, Some(user.uid), Some(user.gid))
            .with_context(|| format!("cannot give {} to {}", path.display(), user.name))
    };
    let mut waiting = vec![path.to_owned()];
    while let Some(here) = waiting.pop() {
        give_one(&here)?;
        if here != except && here.symlink_metadata()?.is_dir() {
            for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
                waiting.push(entry?.path());
            }
        }
    }
    Ok(())
}

pub(super) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn link(target: &Path, link: &Path) -> Result<()> {
    symlink(target, link).with_context(|| format!("cannot make {}", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_cache_only_what_is_whole_is_shared_and_of_images_only_what_is_known() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = scratch.path().join("cache");
        let digest = |digit: &str| digit.repeat(64);
        for (name, entry) in [
            ("blobs", digest("a")),
            ("blobs", ".partial-x".into()),
            ("crates", digest("b")),
            ("crates", "vendor-x".into()),
            ("images", digest("c")),
            ("images", digest("d")),
            ("images", ".lock".into()),
        ] {
            make_folder(&cache.join(name).join(entry)).unwrap();
        }
        let folder = Scratch::make(scratch.path(), "site", false).unwrap();
        for name in SHARED {
            make_folder(&folder.cache().join(name)).unwrap();
        }
        share(&folder, &[digest("c")].into(), |name| cache.join(name), Namespaces::None).unwrap();
        // For somebody else everything is readable but images, whose modes are their own.
        for (name, digit) in [("crates", "b"), ("images", "c")] {
            let file = cache.join(name).join(digest(digit)).join("file");
            fs::write(&file, "text").unwrap();
            set_mode(&file, 0o600).unwrap();
        }
        let others = Scratch::make(scratch.path(), "others", false).unwrap();
        for name in SHARED {
            make_folder(&others.cache().join(name)).unwrap();
        }
        share(&others, &[digest("c")].into(), |name| cache.join(name), Namespaces::Plain).unwrap();
        let mode = |name: &str, digit: &str| {
            let file = cache.join(name).join(digest(digit)).join("file");
            file.metadata().unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("crates", "b"), mode("images", "c")), (0o644, 0o600));
        let names = |name: &str| {
            let entries = fs::read_dir(folder.cache().join(name)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(
            (names("blobs"), names("crates"), names("images")),
            (vec![digest("a")], vec![digest("b")], vec![digest("c")])
        );
        assert!(folder.cache().join("images").join(digest("c")).is_dir(), "it leads to this machine's");
        let root = folder.root.clone();
        drop(folder);
        assert!(!root.exists() && cache.join("images").join(digest("c")).is_dir());
    }

    #[test]
    fn of_images_that_were_made_those_stay_that_are_used_or_looked_at() {
        let scratch = tempfile::tempdir().unwrap();
        let digest = |digit: &str| digit.repeat(64);
        let linked = scratch.path().join("image");
        make_folder(&linked.join("rootfs")).unwrap();
        let left = |keep: bool| {
            let folder = Scratch::make(scratch.path(), "site", keep).unwrap();
            let images = folder.cache().join("images");
            for name in [digest("a"), digest("b"), ".unfinished-x".to_owned()] {
                make_folder(&images.join(name).join("rootfs")).unwrap();
            }
            link(&linked, &images.join(digest("c"))).unwrap();
            folder.drop_images(&[digest("b")].into()).unwrap();
            let names = fs::read_dir(&images).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        let unfinished = || ".unfinished-x".to_owned();
        assert_eq!(left(false), [unfinished(), digest("b"), digest("c")]);
        assert_eq!(left(true), [unfinished(), digest("a"), digest("b"), digest("c")]);
        assert!(linked.join("rootfs").is_dir());
    }

    #[test]
    fn a_build_lies_at_its_physical_path_whatever_leads_there() {
        let folder = tempfile::tempdir().unwrap();
        let physical = folder.path().canonicalize().unwrap().join("physical");
        make_folder(&physical).unwrap();
        let leads_there = folder.path().join("link");
        link(&physical, &leads_there).unwrap();
        let made = Scratch::make(&leads_there, "site", false).unwrap();
        assert!(made.repository().starts_with(&physical), "{}", made.repository().display());
        let error = Scratch::make(&folder.path().join("none"), "site", false).err().unwrap().to_string();
        assert!(error.starts_with("cannot make a folder in "), "{error}");
    }
}
