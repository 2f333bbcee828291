//! Files below a root folder, with links resolved as they would be after `chroot`.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Links followed before a path is taken for a loop, as Linux counts (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A root file system on disk.
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// The path inside the root that `path` stands for once every link is followed; links never lead out of the
    /// root, absolute ones start at it and `..` stops at it.
    pub(super) fn resolve(&self, path: &str) -> io::Result<String> {
        let mut resolved = PathBuf::from("/");
        let mut links = 0;
        let mut ahead: VecDeque<OsString> = parts(Path::new(path)).collect();
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                resolved.pop();
                continue;
            }
            let candidate = resolved.join(&part);
            let on_disk = self.on_disk(&candidate);
            if !fs::symlink_metadata(&on_disk)?.file_type().is_symlink() {
                resolved = candidate;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::other(format!("{path} follows more than {MOST_LINKS} links")));
            }
            let target = fs::read_link(&on_disk)?;
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
            let mut front: VecDeque<OsString> = parts(&target).collect();
            front.append(&mut ahead);
            ahead = front;
        }
        Ok(resolved.to_string_lossy().into_owned())
    }

    /// The bytes of the regular file at a path inside the root, links followed inside it: as many as it said to have before,
    /// since what the kernel makes up while it is read (`/proc/self/pagemap`) has hardly an end.
    pub(super) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let on_disk = self.on_disk(Path::new(&self.resolve(path)?));
        let metadata = fs::metadata(&on_disk)?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        File::open(on_disk)?.take(metadata.len()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn on_disk(&self, inside: &Path) -> PathBuf {
        self.0.join(inside.strip_prefix("/").unwrap_or(inside))
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
