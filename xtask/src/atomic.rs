//! Files that are whole or absent.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `content` beside `path` and renames it into place, making the folder if there is none.
///
/// Whoever reads `path` sees the old content or the new one; an interrupted run leaves at most a temporary file that nobody reads.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    write_with_mode(path, content, 0o644)
}

/// The same with a file mode, whatever the umask.
pub(crate) fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().context("a file needs a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let write = || -> std::io::Result<()> {
        let mut staged = tempfile::Builder::new().prefix(".staged-").tempfile_in(folder)?;
        staged.write_all(content)?;
        staged.as_file().set_permissions(std::fs::Permissions::from_mode(mode))?;
        staged.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
