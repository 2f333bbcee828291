//! The file that a unix socket has: what a dead server left is replaced, and what was made is removed at the end.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{Address, SocketError};

/// Removes the file when dropped, if it is still the same one. Whoever owns this keeps the socket open for as long, so that no other file
/// gets its inode.
#[derive(Debug)]
pub(super) struct UnixFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl UnixFile {
    /// Of a socket that was just bound there, or is taken over from the process that did.
    pub(super) fn own(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (made.dev(), made.ino()) })
    }

    /// It is still there: nobody has put another in its place.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity)
    }
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if self.is_there() {
            // If it cannot be removed, the next server finds that nobody listens there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket at `path` at which nobody listens.
///
/// # Errors
/// If somebody does, or if something else than a socket is there.
pub(super) fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let address = Address::Unix(path.to_owned());
    let failed = |operation: &'static str, error: io::Error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        SocketError::from_errno(operation, &address, errno)
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look whether the file is there", error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NoSocketFile(path.to_owned()));
        }
        Ok(_) => {}
    }
    match ask(path) {
        Err(Errno::CONNREFUSED) => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove the file that a dead server left", error))
            }
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // AGAIN: its queue is full. PROTOTYPE: a socket for datagrams.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(SocketError::InUse { address }),
        Err(errno) => Err(failed("ask whether anybody listens", errno.into())),
    }
}

/// Connects without waiting, and closes at once.
fn ask(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(socket.as_fd(), &SocketAddrUnix::new(path)?)
}
