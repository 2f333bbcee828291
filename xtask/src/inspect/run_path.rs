//! Folders of run paths into which others may put their libraries.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawMode, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

use super::hosts::Place;
use super::subject::Subject;

/// Folders in which anybody may make files, whatever the machine.
const WRITABLE: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];
const OTHERS_WRITE: RawMode = 0o002;
/// What is in such a folder only its owner may replace.
const STICKY: RawMode = 0o1000;

/// Whether the words alone tell: a relative folder leads wherever the program is, and those of [`WRITABLE`] are the same everywhere.
pub(super) fn is_unsafe_anywhere(folder: &str) -> bool {
    if !folder.starts_with('/') {
        // An empty one is the working directory.
        return !(folder.starts_with("$ORIGIN") || folder.starts_with("${ORIGIN}"));
    }
    let folder = plain(folder);
    WRITABLE.iter().any(|writable| folder.starts_with(writable))
}

/// The folders of a file's run path that anybody may write to in one of the places, as the file has them.
pub(super) fn writable(subject: &Subject, places: &[Place]) -> Vec<String> {
    let Ok(facts) = &subject.facts else { return Vec::new() };
    let mut writable = BTreeSet::new();
    for Place { image, .. } in places {
        let Ok(root) = open(&image.rootfs, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { continue };
        // Where a file lies that is only shown to a host, is nothing of that host.
        let origin = subject.lies_in(&image.rootfs).then(|| subject.path_in(&image.rootfs));
        let origin = origin.as_deref().map(Path::new).and_then(Path::parent).and_then(Path::to_str);
        for folder in facts.rpath.iter().chain(&facts.runpath) {
            let place = match origin {
                Some(origin) => folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin),
                None => folder.clone(),
            };
            if place.starts_with('/') && is_writable(root.as_fd(), &place) {
                writable.insert(folder.clone());
            }
        }
    }
    writable.into_iter().collect()
}

/// Whether anybody may make files in this folder of a root, make the folder itself, or put another in its place. One that cannot be looked at is nobody's.
fn is_writable(root: BorrowedFd<'_>, folder: &str) -> bool {
    let mut prefix = PathBuf::new();
    let mut above: RawMode = 0;
    for part in Path::new(folder).components() {
        prefix.push(part);
        match mode_of(root, &prefix) {
            Ok(_) if above & OTHERS_WRITE != 0 && above & STICKY == 0 => return true,
            Ok(mode) => above = mode,
            Err(Errno::NOENT) => break,
            Err(_) => return false,
        }
    }
    above & OTHERS_WRITE != 0
}

/// Links lead nowhere out of the root.
fn mode_of(root: BorrowedFd<'_>, path: &Path) -> Result<RawMode, Errno> {
    let rules = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let folder =
        openat2(root, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), rules)?;
    Ok(fstat(folder)?.st_mode)
}

/// The path without its detours, links left out of account.
fn plain(path: &str) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn words_tell_of_folders_that_are_the_same_everywhere() {
        let cases = [
            ("/usr/lib/own", false),
            ("$ORIGIN/../lib", false),
            ("${ORIGIN}", false),
            ("", true),
            ("lib", true),
            ("./lib", true),
            ("/tmp", true),
            ("/tmp/a", true),
            ("/tmpfoo", false),
            ("/opt/../tmp", true),
            ("/opt//../var/./tmp/lib", true),
            ("/../dev/shm", true),
            ("/tmp/../opt", false),
        ];
        for (folder, expected) in cases {
            assert_eq!(is_unsafe_anywhere(folder), expected, "{folder:?}");
        }
    }

    #[test]
    fn folders_of_a_root_are_as_safe_as_those_that_they_lie_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (name, mode) in [
            ("opt", 0o755),
            ("opt/own", 0o755),
            ("opt/open", 0o777),
            ("opt/open/inner", 0o755),
            ("shared", 0o1777),
            ("shared/of-root", 0o755),
        ] {
            fs::create_dir(root.join(name)).unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/shared", root.join("opt/link")).unwrap();
        let cases = [
            ("/opt/own", false),
            ("/opt/nobody", false),
            ("/opt/open", true),
            // Anybody may put another in its place.
            ("/opt/open/inner", true),
            ("/opt/open/../own", true),
            ("/shared", true),
            ("/shared/of-root", false),
            ("/shared/new", true),
            ("/opt/link", true),
            ("/opt/link/of-root", false),
            ("/opt/../../shared", true),
        ];
        let root = open(root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        for (path, expected) in cases {
            assert_eq!(is_writable(root.as_fd(), path), expected, "{path}");
        }
    }
}
