//! A copy of the repository in which commands of this very program run, on the machine itself. Artifacts, what compilers keep, and observations
//! are its own; images and the sources of crates are those of the cache that all clones share.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum as _;

use crate::build::Manifest;
use crate::engine::EngineChoice;
use crate::ground::Ground;
use crate::process;
use crate::worktree;

/// What of the cache is not shared.
const OBSERVATIONS: &str = "observations";

/// Gone when dropped.
pub(crate) struct LabCopy {
    folder: tempfile::TempDir,
    engine: EngineChoice,
}

impl LabCopy {
    /// Copies every file of the repository that git knows or does not ignore into a new folder of `scratch`; `lab` is what `lab.toml` is there.
    ///
    /// # Errors
    /// A file cannot be copied; this is no clone, or there is no git.
    pub(crate) fn make(ground: &Ground, scratch: &Path, lab: &str) -> Result<LabCopy> {
        let folder = tempfile::Builder::new().prefix("lab-").tempdir_in(scratch);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", scratch.display()))?;
        let copy = LabCopy { folder, engine: ground.choice };
        copy_files(&ground.repository, &copy.repository())?;
        write(&copy.repository().join("lab.toml"), lab)?;
        share_cache(&ground.cache, &copy.cache())?;
        Ok(copy)
    }

    /// Runs a command of this program to its end, and says how long that took.
    ///
    /// # Errors
    /// It ends with anything but 0.
    pub(crate) fn xtask(&self, words: &[String]) -> Result<Duration> {
        let program = std::env::current_exe().context("cannot name this program")?;
        let engine = self.engine.to_possible_value().context("an engine has a name")?;
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.repository())
            // As cargo would set it that runs the copy's.
            .env("CARGO_MANIFEST_DIR", self.repository().join("xtask"))
            .env("DYNLAB_CACHE", self.cache())
            .env("DYNLAB_ENGINE", engine.get_name());
        let started = Instant::now();
        process::run(&mut command)?;
        Ok(started.elapsed())
    }

    /// Forgets everything but images and sources of crates: what was built, what compilers keep, and what was observed.
    pub(crate) fn forget(&self) -> Result<()> {
        let folders = [self.repository().join("dist"), self.repository().join("target"), self.observations()];
        for folder in folders.into_iter().filter(|folder| folder.exists()) {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(())
    }

    /// Appends a line to a file of the copy.
    pub(crate) fn append(&self, file: &str, line: &str) -> Result<()> {
        let path = self.repository().join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write(&path, &format!("{text}{line}\n"))
    }

    /// Takes over what was built in the repository that this is a copy of, as far as `names` goes.
    pub(crate) fn adopt(&self, manifest: &Manifest, dist: &Path, names: &[&str]) -> Result<()> {
        let adopted = Manifest {
            artifacts: names.iter().filter_map(|name| manifest.find(name).cloned()).collect(),
            ..manifest.clone()
        };
        let folder = self.dist(&manifest.target);
        for built in &adopted.artifacts {
            copy_file(&built.path(&dist.join(&manifest.target)), &built.path(&folder))?;
        }
        adopted.write(&folder)
    }

    /// What is built there for `target`; `None` if nothing is, or it is damaged.
    pub(crate) fn built(&self, target: &str) -> Option<Manifest> {
        Manifest::read_verified(&self.dist(target))
    }

    fn dist(&self, target: &str) -> PathBuf {
        self.repository().join("dist").join(target)
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn observations(&self) -> PathBuf {
        self.cache().join(OBSERVATIONS)
    }
}

fn copy_files(repository: &Path, copy: &Path) -> Result<()> {
    for name in worktree::files(repository)? {
        copy_file(&repository.join(&name), &copy.join(&name))?;
    }
    Ok(())
}

/// All of `cache` but what was observed, without copying it.
fn share_cache(cache: &Path, copy: &Path) -> Result<()> {
    make_folder(copy)?;
    for entry in fs::read_dir(cache).with_context(|| format!("cannot list {}", cache.display()))? {
        let entry = entry?;
        if entry.file_name() != OBSERVATIONS {
            let link = copy.join(entry.file_name());
            symlink(entry.path(), &link).with_context(|| format!("cannot make {}", link.display()))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    make_folder(to.parent().context("a file lies in a folder")?)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_cache_all_is_shared_but_what_was_observed() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, copy) = (folder.path().join("cache"), folder.path().join("copy"));
        for name in ["images/one", "observations"] {
            make_folder(&cache.join(name)).unwrap();
        }
        share_cache(&cache, &copy).unwrap();
        assert!(copy.join("images/one").is_dir() && !copy.join("observations").exists());
        fs::remove_dir_all(&copy).unwrap();
        assert!(cache.join("images/one").is_dir());
    }
}
