//! The program `cross`, installed below `target/`, and homes for it in which rustup finds this machine's toolchain and fetches nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::VERSION;
use super::surroundings::{CONFIG, cargo_config};
use crate::process;
use crate::progress::Progress;

/// What rustup calls the toolchain that cross runs under.
///
/// It is not the name that cross looks for: in the list of toolchains that one must be the active one nowhere, since cross 0.2.5 does
/// not know the mark "(active)", takes a toolchain with it for missing, and asks rustup to download it.
pub(super) const TOOLCHAIN_NAME: &str = "dynlab-cross";

/// Why cross cannot be used here, with the cure.
///
/// # Errors
/// rustup is missing, which cross asks for toolchains.
pub(crate) fn check() -> Result<()> {
    let folders = env::var_os("PATH").unwrap_or_default();
    ensure!(
        env::split_paths(&folders).any(|folder| folder.join("rustup").is_file()),
        "rustup is not installed, and cross asks it which toolchains there are; install rustup (a package of Debian from trixie on), it need not have a toolchain of its own"
    );
    Ok(())
}

/// The program, installed now if it is not there.
///
/// # Errors
/// It is neither in cargo's cache nor to be downloaded, or does not compile.
pub(super) fn ensure(repository: &Path, progress: &Progress) -> Result<PathBuf> {
    let root = repository.join("target").join("lab").join("cross-program").join(VERSION);
    let program = root.join("bin").join("cross");
    if program.is_file() {
        return Ok(program);
    }
    let _spinner = progress.spinner(&format!("install cross {VERSION}"));
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A quick build, as the program only starts others; in a folder of cargo's choice, which it removes.
    command.args(["install", "cross", "--version", &format!("={VERSION}")]);
    command.args(["--locked", "--debug", "--bin", "cross", "--root"]).arg(&root);
    command.current_dir(repository).env_remove("CARGO_TARGET_DIR");
    process::run(&mut command).with_context(|| {
        format!("cannot install cross {VERSION}; with no network it must be in cargo's own cache: run the command once while there is one")
    })?;
    Ok(program)
}

/// The folders that cross takes for those of cargo, rustup and xargo; removed when dropped.
pub(super) struct Homes {
    folder: TempDir,
    toolchains: BTreeSet<String>,
}

impl Homes {
    /// Makes them in `folder`. Every crate comes from `crates`.
    ///
    /// # Errors
    /// There is no rustc, or the folder cannot be written to.
    pub(super) fn make(folder: &Path, crates: &Path, repository: &Path) -> Result<Homes> {
        let sysroot =
            process::run(Command::new("rustc").args(["--print", "sysroot"]).current_dir(repository))
                .context("cross mounts the sysroot of the machine's rustc; install one, of any version")?;
        let sysroot = PathBuf::from(String::from_utf8(sysroot)?.trim_end());
        Homes::with_toolchain(folder, crates, &sysroot)
    }

    fn with_toolchain(folder: &Path, crates: &Path, sysroot: &Path) -> Result<Homes> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let staging = tempfile::Builder::new().prefix("homes-").tempdir_in(folder)?;
        // The name that cross gives to the toolchain.
        let name = sysroot.file_name().and_then(|name| name.to_str()).with_context(|| {
            format!("the sysroot of rustc, {}, has no name that cross could use", sysroot.display())
        })?;
        let homes =
            Homes { toolchains: [name.to_owned(), TOOLCHAIN_NAME.to_owned()].into(), folder: staging };
        let toolchains = homes.toolchains_folder();
        for folder in [toolchains.clone(), homes.path().join("cargo"), homes.path().join("xargo")] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        for name in &homes.toolchains {
            symlink(sysroot, toolchains.join(name))?;
        }
        let crates = crates.to_str().context("cargo takes no path that is not UTF-8")?;
        fs::write(homes.path().join("cargo").join(CONFIG), cargo_config(crates, &BTreeMap::new())?)?;
        Ok(homes)
    }

    /// The folder that holds all of them.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether rustup has fetched nothing.
    ///
    /// # Errors
    /// It has: what it downloaded, by name.
    pub(super) fn check_untouched(&self) -> Result<()> {
        let strangers: Vec<String> =
            names(&self.toolchains_folder())?.difference(&self.toolchains).cloned().collect();
        let downloads = names(&self.path().join("rustup").join("downloads")).unwrap_or_default();
        if !strangers.is_empty() || !downloads.is_empty() {
            let fetched: Vec<String> = strangers.into_iter().chain(downloads).collect();
            bail!(
                "cross had rustup fetch {}, though nothing was missing; what it built is not to be trusted",
                fetched.join(", ")
            );
        }
        Ok(())
    }

    fn toolchains_folder(&self) -> PathBuf {
        self.path().join("rustup").join("toolchains")
    }
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_hold_the_toolchain_under_two_names_and_tell_when_another_comes() {
        let folder = tempfile::tempdir().unwrap();
        let sysroot = folder.path().join("stable-x86_64-unknown-linux-gnu");
        fs::create_dir(&sysroot).unwrap();
        let homes =
            Homes::with_toolchain(&folder.path().join("state"), Path::new("/crates"), &sysroot).unwrap();
        let toolchains = homes.path().join("rustup/toolchains");
        for name in ["stable-x86_64-unknown-linux-gnu", TOOLCHAIN_NAME] {
            assert_eq!(fs::canonicalize(toolchains.join(name)).unwrap(), fs::canonicalize(&sysroot).unwrap());
        }
        let config = fs::read_to_string(homes.path().join("cargo/config.toml")).unwrap();
        assert!(config.contains("directory = \"/crates\""), "{config}");
        homes.check_untouched().unwrap();

        fs::create_dir(homes.path().join("rustup/downloads")).unwrap();
        homes.check_untouched().unwrap();
        fs::write(homes.path().join("rustup/downloads/rustc.partial"), "").unwrap();
        let error = homes.check_untouched().unwrap_err().to_string();
        assert!(error.contains("fetch rustc.partial"), "{error}");
        fs::create_dir(toolchains.join("1.80.0-x86_64-unknown-linux-gnu")).unwrap();
        let error = homes.check_untouched().unwrap_err().to_string();
        assert!(error.contains("1.80.0-x86_64-unknown-linux-gnu, rustc.partial"), "{error}");

        let place = homes.path().to_owned();
        drop(homes);
        assert!(!place.exists() && sysroot.is_dir(), "the links went, and not what they led to");
    }
}
