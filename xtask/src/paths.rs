//! Where things lie: the repository, what it generates, and the cache that all clones share.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::statvfs;

/// The root of the repository: the one whose xtask `cargo run` starts, which it tells in `CARGO_MANIFEST_DIR`, else the one
/// that this xtask was built from. They differ where clones share a target folder. By its physical path, as cargo tells those of packages.
pub(crate) fn repository() -> Result<PathBuf> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run_from = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifests = run_from.iter().map(PathBuf::as_path).chain([built_from]);
    let mut roots = manifests.filter_map(Path::parent);
    let root = roots.find(|root| root.join("lab.toml").is_file()).with_context(|| {
        format!(
            "{} is not in a folder with lab.toml; this xtask was built in a folder that has moved: run it as `cargo xtask` from the repository",
            built_from.display()
        )
    })?;
    root.canonicalize().with_context(|| format!("cannot look at {}", root.display()))
}

/// What is free on the disk of `folder` for whoever runs this, in bytes.
pub(crate) fn free_bytes(folder: &Path) -> rustix::io::Result<u64> {
    let disk = statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The cache shared by all clones of one user: `$DYNLAB_CACHE`, else `$XDG_CACHE_HOME/dynlab`, else `~/.cache/dynlab`.
///
/// Everything in it is named by a digest of its content or of its inputs, and is renamed into place when complete.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("DYNLAB_CACHE").filter(|value| !value.is_empty()) {
        return std::path::absolute(folder).context("DYNLAB_CACHE is not a usable path");
    }
    if let Some(folder) = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        return Ok(Path::new(&folder).join("dynlab"));
    }
    let home = env::home_dir()
        .filter(|home| !home.as_os_str().is_empty())
        .context("no home folder is known; set DYNLAB_CACHE to a folder for downloads and images")?;
    Ok(home.join(".cache").join("dynlab"))
}
