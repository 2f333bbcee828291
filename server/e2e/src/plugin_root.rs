//! A plugin root that a server trusts: folders and files that nobody but this user can write.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::flags::PluginFile;

/// A plugin root in the folder for temporary files; removed when dropped.
#[derive(Debug)]
pub struct PluginRoot {
    folder: PathBuf,
    /// The copies, in the order of what they were copied from.
    pub files: Vec<PathBuf>,
}

impl PluginRoot {
    /// Copies `plugins` into a new root.
    ///
    /// # Errors
    /// If one cannot be copied, or the root cannot be made.
    pub fn with<'a>(plugins: impl IntoIterator<Item = &'a PluginFile>) -> Result<Self, String> {
        let folder = new_folder().map_err(|error| format!("cannot make a plugin root: {error}"))?;
        let mut root = Self { folder, files: Vec::new() };
        for PluginFile { folder, name, file } in plugins {
            let copy = root
                .copy(folder, name.as_deref().map(OsStr::new).or(file.file_name()), file)
                .map_err(|error| format!("cannot copy {} into a plugin root: {error}", file.display()))?;
            root.files.push(copy);
        }
        Ok(root)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes the server's configuration beside the folders of the plugins.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn configure(&self, config: &str) -> Result<PathBuf, String> {
        let file = self.folder.join("server.toml");
        fs::write(&file, config).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(file)
    }

    fn copy(&self, folder: &str, name: Option<&OsStr>, file: &Path) -> io::Result<PathBuf> {
        let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = self.folder.join(folder);
        DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        let copy = folder.join(name);
        let mut target = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&copy)?;
        io::copy(&mut File::open(file)?, &mut target)?;
        Ok(copy)
    }
}

impl Drop for PluginRoot {
    fn drop(&mut self) {
        // What is left behind in a folder for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_folder() -> io::Result<PathBuf> {
    let temporary = std::env::temp_dir();
    let mut number = 0;
    loop {
        let folder = temporary.join(format!("server-e2e-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            // Somebody with the same process number left it behind.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_root_is_private_and_goes_away() {
        let sources = tempfile::tempdir().unwrap();
        let file = sources.path().join("ip.so");
        fs::write(&file, "bytes").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let plugin = |name| PluginFile { folder: "handlers".into(), name, file: file.clone() };
        let root = PluginRoot::with(&[plugin(None), plugin(Some("other.so".to_owned()))]).unwrap();
        let copy = root.path().join("handlers/ip.so");
        assert_eq!(root.files, [copy.clone(), root.path().join("handlers/other.so")]);
        assert_eq!(fs::read(root.configure("a = 1").unwrap()).unwrap(), b"a = 1");
        assert_eq!(fs::read(&copy).unwrap(), b"bytes");
        for path in [&copy, copy.parent().unwrap(), root.path()] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o022, 0, "{}: {mode:o}", path.display());
        }
        let folder = root.path().to_owned();
        drop(root);
        assert!(!folder.exists());
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named() {
        let plugin = PluginFile { folder: "handlers".into(), name: None, file: "/no/such/ip.so".into() };
        let error = PluginRoot::with(&[plugin]).unwrap_err();
        assert!(error.contains("/no/such/ip.so"), "{error}");
    }
}
