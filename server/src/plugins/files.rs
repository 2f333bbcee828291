//! The files below the plugin root, as they are at one moment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugin_host::PluginIdentity;

/// By what one sees that a file has changed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The same for owner, mode and name, which count as well.
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether both are stamps of one file: it was written again, not replaced.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The files of a folder that may be plugins, by path; none if there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn list(folder: &Path) -> io::Result<BTreeMap<PathBuf, Stamp>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let mut files = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        if !may_be_plugin(&path) {
            continue;
        }
        // It may be gone again; a link is looked at as such, and refused later.
        if let Ok(metadata) = fs::symlink_metadata(&path) {
            files.insert(path, Stamp::of(&metadata));
        }
    }
    Ok(files)
}

/// Whether a file's name is that of a plugin: it ends in `.so`, and does not begin with a dot, as the names do that copying
/// programs use until a file is complete.
pub(super) fn may_be_plugin(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension() == Some(OsStr::new("so"))
}

/// What a plugin's file should be called, `NAME-VERSION-ARCH-LIBC.so`, if its name has a version in it and is not this. Names
/// are for people, the program goes by what is in the file; but a name that misleads people is worth a word.
pub(super) fn better_name(path: &Path, plugin: &PluginIdentity) -> Option<String> {
    let found = path.file_name()?.to_string_lossy();
    let mut triple = plugin.target.split('-');
    let arch = triple.next().unwrap_or_default();
    let libc = triple.next_back().unwrap_or_default();
    let expected = format!("{}-{}-{arch}-{libc}.so", plugin.name, plugin.version);
    let has_version = found.as_bytes().windows(2).any(|pair| pair[0] == b'-' && pair[1].is_ascii_digit());
    (has_version && found != expected).then_some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_plugin_files_are_listed_and_changes_show() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        for name in ["a.so", ".b.so", "c.so.part", "README", "so"] {
            fs::write(file(name), "1").unwrap();
        }
        let before = list(folder.path()).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), [&file("a.so")]);

        fs::write(file("a.so"), "22").unwrap();
        let written = list(folder.path()).unwrap()[&file("a.so")];
        assert!(written != before[&file("a.so")] && written.is_same_file(&before[&file("a.so")]));

        fs::write(file("new"), "22").unwrap();
        fs::rename(file("new"), file("a.so")).unwrap();
        let replaced = list(folder.path()).unwrap()[&file("a.so")];
        assert!(!replaced.is_same_file(&written));

        assert!(list(&file("none")).unwrap().is_empty());
        assert!(list(&file("README")).is_err());
    }
}
