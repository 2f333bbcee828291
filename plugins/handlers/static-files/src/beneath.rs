//! Opens files below a folder without ever leaving it: not by `..`, not by links, not while someone renames.
//!
//! openat2(2) with `RESOLVE_BENEATH` does that in the kernel. Where it is missing (before Linux 5.6, in qemu's user mode)
//! or forbidden (sandboxes that cannot look into its arguments), the path is walked name by name to the same end.

use std::fs::File;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{fstat, openat, openat2, readlinkat, FileType, Mode, OFlags, ResolveFlags, CWD};
use rustix::io::Errno;

/// What lies at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// A regular file, open for reading.
    File(File),
    /// A folder.
    Folder,
}

/// Why nothing could be opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is nothing, or nothing that may be served: a device, a socket, a link that leads out.
    NotThere,
    /// The server may not read it.
    NotAllowed,
    /// The system failed.
    Broken(Errno),
}

/// Looks without opening: a device or FIFO that is opened may act, or wait.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// Opens for reading. Should a FIFO have taken the file's place since it was looked at, this does not wait for a writer.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// Opens what lies below a folder at some names, with some flags.
type Resolve = fn(BorrowedFd<'_>, &[Vec<u8>], OFlags) -> Result<OwnedFd, Errno>;
/// How often openat2(2) is asked again when a rename somewhere made it give up.
const ATTEMPTS: usize = 4;

/// The folder itself; links in its own path are followed, as they are the operator's.
pub(crate) fn open_folder(folder: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, folder, LOOK | OFlags::DIRECTORY, Mode::empty())
}

/// What lies below `folder` at `names`, which are plain names. Links are followed as long as they stay below.
pub(crate) fn open_beneath(folder: &OwnedFd, names: &[Vec<u8>]) -> Result<Found, Failure> {
    open(folder.as_fd(), names, resolve).map_err(Failure::from)
}

fn open(folder: BorrowedFd<'_>, names: &[Vec<u8>], resolve: Resolve) -> Result<Found, Errno> {
    match file_type(&resolve(folder, names, LOOK)?)? {
        FileType::Directory => Ok(Found::Folder),
        FileType::RegularFile => {
            let opened = resolve(folder, names, READ)?;
            match file_type(&opened)? {
                FileType::RegularFile => Ok(Found::File(opened.into())),
                // Something else took its place in the meantime.
                _ => Err(Errno::NOENT),
            }
        }
        _ => Err(Errno::NOENT),
    }
}

fn file_type(opened: &OwnedFd) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(fstat(opened)?.st_mode))
}

fn resolve(folder: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
    let outcome = resolve_in_kernel(folder, names, flags);
    if is_no_answer(&outcome) {
        walk(folder, names, flags)
    } else {
        outcome
    }
}

/// Whether the kernel cannot or may not do it, or gave up. EPERM may also be meant for this one file: walking then gives it again.
fn is_no_answer(outcome: &Result<OwnedFd, Errno>) -> bool {
    matches!(outcome, Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN))
}

fn resolve_in_kernel(folder: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
    let rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..ATTEMPTS {
        match openat2(folder, path.as_slice(), flags, Mode::empty(), rules) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => return outcome,
        }
    }
    openat2(folder, path.as_slice(), flags, Mode::empty(), rules)
}

/// The same by hand: every name is opened in the folder before it, without following links; links are read and their
/// names walked in turn; `..` goes back to where the walk came from and never asks the disk.
fn walk(folder: BorrowedFd<'_>, names: &[Vec<u8>], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut folders: Vec<OwnedFd> = Vec::new();
    let mut ahead: Vec<Vec<u8>> = names.iter().rev().cloned().collect();
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let here = folders.last().map_or(folder, OwnedFd::as_fd);
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                folders.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            _ => {}
        }
        let found = openat(here, name.as_slice(), LOOK | OFlags::NOFOLLOW, Mode::empty())?;
        match file_type(&found)? {
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                let link = readlinkat(&found, "", Vec::new())?.into_bytes();
                if link.first() == Some(&b'/') {
                    return Err(Errno::XDEV);
                }
                ahead.extend(link.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
            FileType::Directory => folders.push(found),
            _ if !ahead.is_empty() => return Err(Errno::NOTDIR),
            _ => return openat(here, name.as_slice(), flags | OFlags::NOFOLLOW, Mode::empty()),
        }
    }
    openat(folders.last().map_or(folder, OwnedFd::as_fd), ".", flags, Mode::empty())
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Failure {
        match error {
            // XDEV: a link leads out. NXIO: a socket took a file's place.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::NXIO => {
                Failure::NotThere
            }
            Errno::ACCESS | Errno::PERM => Failure::NotAllowed,
            other => Failure::Broken(other),
        }
    }
}

#[cfg(test)]
mod tests;
