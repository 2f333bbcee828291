//! Who may put code into this process: the owner and mode of a plugin file and of its folder.
//!
//! A file that somebody else may write is somebody else's code. The folder counts as much as the
//! file, because whoever may write it may replace the file. The checks are made on open
//! descriptors, so what was checked is what is read. Folders further up are the operator's business.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat};
use rustix::io::Errno;

/// Opens the plugin at `path` for reading, after checking that only root or the user of this
/// process could have written it.
///
/// The last component must be a regular file and not a symbolic link: a link would bring in a
/// second folder that nobody checked. Both the file and its folder must be owned by root or by the
/// effective user, and must not be writable by group or others, sticky bit or not.
///
/// # Errors
/// [`Distrust`], each variant with its cure.
pub fn open_trusted(path: &Path) -> Result<File, Distrust> {
    let unreadable = |source: Errno| Distrust::Unreadable { path: path.into(), source: source.into() };

    let name = path.file_name().ok_or_else(|| Distrust::NotAFile { path: path.into(), found: "a folder" })?;
    let folder_path = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = open(folder_path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(unreadable)?;
    check_owner_and_mode(&stat(&folder, folder_path)?, folder_path, "folder")?;

    // NONBLOCK: opening a FIFO must not wait for its writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(&folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::LOOP) => return Err(Distrust::NotAFile { path: path.into(), found: "a symbolic link" }),
        Err(Errno::NXIO) => return Err(Distrust::NotAFile { path: path.into(), found: "a socket" }),
        Err(other) => return Err(unreadable(other)),
    };
    let stat = stat(&file, path)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        return Err(Distrust::NotAFile { path: path.into(), found: describe(kind) });
    }
    check_owner_and_mode(&stat, path, "file")?;
    Ok(File::from(file))
}

/// Why a plugin file is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The file or its folder could not be opened.
    #[error("cannot open {}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else than a regular file.
    #[error("{} is {found}, not a regular file; give the path of the plugin file itself", path.display())]
    NotAFile {
        /// The path that was asked for.
        path: PathBuf,
        /// What lies there.
        found: &'static str,
    },
    /// The file or its folder belongs to a third user.
    #[error(
        "the {what} {} belongs to user {owner}, and only root and user {us} are trusted here; chown it, or copy \
         the plugin to a folder of your own",
        path.display()
    )]
    ForeignOwner {
        /// `file` or `folder`.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// The effective user id of this process.
        us: u32,
    },
    /// The file or its folder can be changed by others than its owner.
    #[error(
        "the {what} {} can be written by others than its owner (mode {mode:04o}); chmod go-w it, or copy the \
         plugin to a folder of your own",
        path.display()
    )]
    WritableByOthers {
        /// `file` or `folder`.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Distrust {
    /// The stable code of this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "file.unreadable",
            Self::NotAFile { .. } => "file.type",
            Self::ForeignOwner { .. } => "file.owner",
            Self::WritableByOthers { .. } => "file.mode",
        }
    }
}

fn stat(descriptor: &OwnedFd, path: &Path) -> Result<Stat, Distrust> {
    fstat(descriptor).map_err(|source| Distrust::Unreadable { path: path.into(), source: source.into() })
}

fn check_owner_and_mode(stat: &Stat, path: &Path, what: &'static str) -> Result<(), Distrust> {
    let us = rustix::process::geteuid().as_raw();
    let owner = stat.st_uid;
    if owner != 0 && owner != us {
        return Err(Distrust::ForeignOwner { what, path: path.into(), owner, us });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        let mode = mode.as_raw_mode() & 0o7777;
        return Err(Distrust::WritableByOthers { what, path: path.into(), mode });
    }
    Ok(())
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        _ => "something else",
    }
}
