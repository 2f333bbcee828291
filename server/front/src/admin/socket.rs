//! A unix socket that only its owner can reach, from its first moment to its last.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use crate::error::SocketError;

/// A listening socket. Its file is removed when this is dropped, if it is still the same file.
#[derive(Debug)]
pub(super) struct OwnSocket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// Keeps the inode in use, so that no other file gets its number.
    _listener: UnixListener,
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;
const MODE: u32 = 0o600;

impl OwnSocket {
    /// Listens at `path`, mode 0600, in place of what a dead server left there. The listener does not block.
    ///
    /// # Errors
    /// [`SocketError`]; what is at the path stays, unless it is a socket that nobody listens at.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        remove_stale(path)?;
        let failed = |source: io::Error| SocketError::System { path: path.to_owned(), source };
        let bound = listen_privately(path).map_err(|errno| match errno {
            // Somebody was faster.
            Errno::ADDRINUSE => SocketError::Live(path.to_owned()),
            errno => failed(errno.into()),
        })?;
        let made = fs::symlink_metadata(path).map_err(failed)?;
        let own = Self {
            path: path.to_owned(),
            identity: (made.dev(), made.ino()),
            _listener: bound.try_clone().map_err(failed)?,
        };
        if made.permissions().mode() & 0o777 & !MODE != 0 {
            // Dropping it removes the file.
            return Err(failed(io::Error::other("this system gives it a wider mode than 0600")));
        }
        Ok((own, bound))
    }

    /// The same in place of whatever socket is there, also of one that somebody listens at: at every moment somebody is reached there.
    ///
    /// # Errors
    /// [`SocketError`]; what is at the path stays.
    pub(super) fn replace(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(SocketError::NoSocket(path.to_owned()));
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let (mut own, listener) = Self::bind(Path::new(&beside))?;
        fs::rename(&own.path, path)
            .map_err(|source| SocketError::System { path: path.to_owned(), source })?;
        path.clone_into(&mut own.path);
        Ok((own, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        let same = fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity);
        if same {
            // If it cannot be removed, the next server finds that nobody listens there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file gets the mode that the socket has when it is bound, less the umask: unix_bind_bsd() in the kernel's
/// net/unix/af_unix.c. So there is no moment at which it has another, whatever the umask, which belongs to the whole process.
fn listen_privately(path: &Path) -> Result<UnixListener, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    fchmod(&socket, Mode::from_raw_mode(MODE))?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket at which nobody listens.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |source: io::Error| SocketError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match ask(path) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed),
        Err(Errno::NOENT) => Ok(()),
        // AGAIN: its queue is full.
        Ok(_) | Err(Errno::AGAIN) => Err(SocketError::Live(path.to_owned())),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Connects without waiting.
fn ask(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_the_owners_alone_and_goes_with_its_maker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (own, _listener) = OwnSocket::bind(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(own.path()).unwrap();
        drop(own);
        assert!(!path.exists());
    }

    /// What `OwnSocket` does afterwards could hide a moment with a wider mode.
    #[test]
    fn its_mode_is_not_made_narrower_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _listener = listen_privately(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        let ordinary = folder.path().join("ordinary.sock");
        let _other = UnixListener::bind(&ordinary).unwrap();
        assert_ne!(mode(&ordinary), 0o600, "the umask alone would do, and nothing is shown");
    }

    #[test]
    fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "dropping a listener leaves its file");
        let (_own, _listener) = OwnSocket::bind(&path).unwrap();
        let error = OwnSocket::bind(&path).unwrap_err();
        assert!(matches!(error, SocketError::Live(_)), "{error}");
        // Nobody accepts, and at some time the queue is full.
        let mut waiting = Vec::new();
        while let Ok(socket) = ask(&path) {
            waiting.push(socket);
        }
        assert_eq!(ask(&path).unwrap_err(), Errno::AGAIN);
        let error = OwnSocket::bind(&path).unwrap_err();
        assert!(matches!(error, SocketError::Live(_)), "{error}");
    }

    #[test]
    fn who_takes_a_place_over_is_reached_there_and_the_former_one_leaves_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (former, _former_listener) = OwnSocket::replace(&path).unwrap();
        let (own, listener) = OwnSocket::replace(&path).unwrap();
        assert_eq!((own.path(), mode(&path)), (path.as_path(), 0o600));
        drop(former);
        UnixStream::connect(&path).unwrap();
        listener.accept().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(own);
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        let error = OwnSocket::replace(&path).unwrap_err();
        assert!(matches!(error, SocketError::NoSocket(_)), "{error}");
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        fs::write(&path, "mine").unwrap();
        let error = OwnSocket::bind(&path).unwrap_err();
        assert!(matches!(error, SocketError::NoSocket(_)), "{error}");
        std::os::unix::fs::symlink("/nowhere", folder.path().join("link.sock")).unwrap();
        let error = OwnSocket::bind(&folder.path().join("link.sock")).unwrap_err();
        assert!(matches!(error, SocketError::NoSocket(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn paths_that_cannot_be_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/such/a.sock"), folder.path().join("long".repeat(40))] {
            let sentence = OwnSocket::bind(&path).unwrap_err().to_string();
            assert!(
                sentence.contains(path.to_str().unwrap()) && sentence.contains("--admin off"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn another_servers_socket_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (own, _listener) = OwnSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(own);
        assert!(path.exists());
    }
}
