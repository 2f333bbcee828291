//! Sources of all locked crates, in the cache, so that builds need no network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::sha256;
use crate::cache_use::mark_used;
use crate::process;

/// The folder that holds the source of every crate in `Cargo.lock` of `workspace`, fetched now if it is not there.
///
/// Cargo itself compares each crate with the checksum in `Cargo.lock`, here and again when it builds.
///
/// # Errors
/// A crate that is neither in cargo's cache nor to be downloaded; `Cargo.lock` that does not fit the manifests.
pub(crate) fn ensure(workspace: &Path, cache: &Path) -> Result<PathBuf> {
    let lock = fs::read(workspace.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let vendored = cache.join("crates").join(sha256(&lock));
    if vendored.is_dir() {
        mark_used(&vendored);
        return Ok(vendored);
    }
    let folder = cache.join("crates");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let staging = tempfile::Builder::new().prefix("vendor-").tempdir_in(&folder)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["vendor", "--locked", "--versioned-dirs", "--quiet"])
        .arg(staging.path())
        .current_dir(workspace)
        .stdout(Stdio::null());
    process::run(&mut command).context(
        "cannot fetch the crates named in Cargo.lock; with no network they must be in cargo's own cache (`cargo fetch --locked` while there is one)",
    )?;
    publish(staging, &vendored)?;
    Ok(vendored)
}

fn publish(staging: tempfile::TempDir, vendored: &Path) -> Result<()> {
    let staged = staging.keep();
    if let Err(error) = fs::rename(&staged, vendored) {
        fs::remove_dir_all(&staged).ok();
        if !vendored.is_dir() {
            bail!("cannot put the fetched crates at {}: {error}", vendored.display());
        }
    }
    Ok(())
}
