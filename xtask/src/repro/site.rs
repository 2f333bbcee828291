//! The place of one build: a repository, a cache, a home and a folder for temporary files, and the circumstances in which commands run there.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;

use super::circumstances::{Circumstances, FileSystem, Folders, Means, Namespaces};
use super::means::{self, RUST};
use super::place::{SHARED, Scratch, give, lay_out, make_folder, set_mode, share};
use super::stage::Order;
use crate::engine;
use crate::error::Stop;
use crate::ground::Ground;
use crate::images;

/// The place of one build.
pub(super) struct Site {
    /// `first` or `second`.
    pub(super) name: &'static str,
    /// As commands find them there.
    pub(super) circumstances: Circumstances,
    /// Whether it is the clone that this was started in.
    pub(super) is_own: bool,
    /// Global options of every command.
    options: Vec<OsString>,
    /// What enters the circumstances, where they are not those of this process.
    stage: Option<Order>,
    folder: Option<Scratch>,
}

/// The clone itself, as it is.
pub(super) fn own(ground: &Ground) -> Result<Site> {
    Ok(Site {
        name: "first",
        circumstances: Circumstances::present(&ground.repository, &ground.cache)?,
        is_own: true,
        options: options(&ground.images)?,
        stage: None,
        folder: None,
    })
}

/// A copy of the repository with a cache of its own below `scratch`, in which everything is made anew but what `known` names: digests of
/// images that are taken from this machine's cache.
pub(super) fn copy(ground: &Ground, scratch: &Path, keep: bool, known: &BTreeSet<String>) -> Result<Site> {
    let folder = Scratch::make(scratch, "one", keep)?;
    lay_out(&ground.repository, &folder, 0)?;
    share(&folder, known, |name| ground.cache.join(name), Namespaces::None)?;
    Ok(Site {
        name: "first",
        circumstances: Circumstances::present(&folder.repository(), &folder.cache())?,
        is_own: false,
        options: options(&ground.images)?,
        stage: None,
        folder: Some(folder),
    })
}

/// The same in circumstances that are as different from those of `first` as this machine allows.
pub(super) fn elsewhere(
    ground: &Ground,
    scratch: &Path,
    keep: bool,
    known: &BTreeSet<String>,
    first: &Circumstances,
    fewest_cores: usize,
) -> Result<(Site, Means)> {
    let folder = Scratch::make(scratch, "another-folder-with-a-longer-name", keep)?;
    let program = folder.path.join("xtask");
    let this = env::current_exe().context("cannot name this program")?;
    fs::copy(&this, &program).with_context(|| format!("cannot copy {}", this.display()))?;
    set_mode(&program, 0o755)?;
    for shown in SHARED.iter().chain([&RUST]) {
        make_folder(&folder.shown().join(shown))?;
    }
    let folders = Folders {
        repository: folder.repository(),
        file_system: FileSystem::of(&folder.path)?.kind,
        cache: folder.cache(),
        home: folder.path.join("home"),
        temporary: folder.path.join("tmp"),
    };
    make_folder(&folders.repository)?;
    let toolchain = means::toolchain(&ground.repository)?;
    let order = |means: &Means| {
        let circumstances = first.others(folders.clone(), means, fewest_cores);
        means::order(ground, &folder, circumstances, means, toolchain.as_deref())
    };
    let means = means::best(ground.choice, first.user.uid == 0, &|means| means::rehearse(&order(means)))?;
    let order = order(&means);
    lay_out(&ground.repository, &folder, order.circumstances.umask)?;
    share(&folder, known, |name| ground.cache.join(name), means.namespaces)?;
    if means.other_user && means.namespaces == Namespaces::Plain {
        give(&folder.path, &order.circumstances.user, &folder.shown())?;
    }
    let site = Site {
        name: "second",
        circumstances: order.circumstances.clone(),
        is_own: false,
        options: options(&ground.images)?,
        stage: Some(order),
        folder: Some(folder),
    };
    Ok((site, means))
}

impl Site {
    /// The root of its repository.
    pub(super) fn repository(&self) -> &Path {
        &self.circumstances.folders.repository
    }

    /// A cache, as this build sees it, with the images of this machine's.
    pub(super) fn beside(&self) -> PathBuf {
        self.folder.as_ref().map_or_else(|| self.circumstances.folders.cache.clone(), Scratch::shown)
    }

    /// Removes the images that were made there, but for those that are `used` later: digests in hex.
    pub(super) fn drop_images(&self, used: &BTreeSet<String>) -> Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| folder.drop_images(used))
    }

    /// Runs a command of this program there, to its end. What it prints goes to stderr.
    ///
    /// # Errors
    /// [`Stop::Disagreement`] where it found one, [`Stop::NotRun`] where it could not run everything; else the command line, and how it ended.
    pub(super) fn run(&self, words: &[String]) -> Result<()> {
        let line = format!("cargo xtask {}", words.join(" "));
        eprintln!("repro: {} build: {line}", self.name);
        let arguments = self.options.iter().cloned().chain(words.iter().map(OsString::from));
        let mut command = match &self.stage {
            Some(order) => Order { arguments: arguments.collect(), ..order.clone() }.command()?,
            None => {
                let mut command = Command::new(env::current_exe().context("cannot name this program")?);
                command.args(arguments).current_dir(self.repository());
                // As cargo would set it that runs that repository's.
                command.env("CARGO_MANIFEST_DIR", self.repository().join("xtask"));
                command.env("DYNLAB_CACHE", &self.circumstances.folders.cache);
                command
            }
        };
        let stderr = io::stderr().as_fd().try_clone_to_owned().context("cannot copy stderr")?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(stderr))
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let _guard = engine::kill_on_interrupt(&child);
        let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
        let place = self.repository().display();
        match status.code() {
            Some(0) => Ok(()),
            Some(1) => bail!(Stop::Disagreement(format!(
                "`{line}` found a difference in the {} build, in {place}; it stands above",
                self.name
            ))),
            Some(3) => bail!(Stop::NotRun(format!(
                "`{line}` could not run everything in the {} build, in {place}; why stands above",
                self.name
            ))),
            _ => {
                bail!("`{line}` ended with {status} in the {} build, in {place}; why stands above", self.name)
            }
        }
    }
}

/// The global options that say what `images` does, whether that was given by flags or by variables.
fn options(images: &images::Options) -> Result<Vec<OsString>> {
    let engine = images.engine.to_possible_value().context("an engine has a name")?;
    let mut options: Vec<OsString> = vec!["--engine".into(), engine.get_name().into()];
    let mirrors = [("--mirror", &images.mirror), ("--snapshot-mirror", &images.snapshot_mirror)];
    for (flag, address) in mirrors {
        options.extend(address.iter().flat_map(|address| [flag.into(), address.into()]));
    }
    if images.locked {
        options.push("--locked".into());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineChoice;

    #[test]
    fn builds_are_told_all_that_this_was_told_of_images_and_engines() {
        let given = |engine, mirror: Option<&str>, snapshot: Option<&str>, locked| {
            let images = images::Options {
                repository: PathBuf::new(),
                cache: PathBuf::new(),
                mirror: mirror.map(str::to_owned),
                snapshot_mirror: snapshot.map(str::to_owned),
                keyring: PathBuf::new(),
                engine,
                locked,
            };
            let options = options(&images).unwrap();
            options.join(std::ffi::OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(given(EngineChoice::Sandbox, None, None, false), "--engine sandbox");
        assert_eq!(
            given(EngineChoice::Docker, Some("http://a"), Some("http://b"), true),
            "--engine docker --mirror http://a --snapshot-mirror http://b --locked"
        );
    }
}
