//! The socket that answers with the status.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

/// Whoever asks and does not read holds nothing up; so long the answer is kept for them.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_WAITING: usize = 16;

#[derive(Debug)]
pub(super) struct StatusSocket {
    path: PathBuf,
    /// Which file is ours: a new master replaces it.
    inode: (u64, u64),
    listener: UnixListener,
    asking: Vec<UnixStream>,
    waiting: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    stream: UnixStream,
    rest: Vec<u8>,
    until: Instant,
}

impl StatusSocket {
    /// Takes the path, from the former master where `take_over`, or from one that is dead. It is never there with a wider mode.
    pub(super) fn open(path: &Path, take_over: bool) -> io::Result<Self> {
        if !take_over {
            check_free(path)?;
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let opened = open_beside(&beside).and_then(|listener| {
            let found = fs::metadata(&beside)?;
            fs::rename(&beside, path)?;
            Ok(Self {
                path: path.to_owned(),
                inode: (found.dev(), found.ino()),
                listener,
                asking: Vec::new(),
                waiting: Vec::new(),
            })
        });
        if opened.is_err() {
            let _ = fs::remove_file(&beside);
        }
        opened
    }

    /// Whether somebody has asked and is to be answered.
    pub(super) fn is_asked(&mut self) -> bool {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.waiting.len() + self.asking.len() < MOST_WAITING && stream.set_nonblocking(true).is_ok() {
                self.asking.push(stream);
            }
        }
        !self.asking.is_empty()
    }

    /// Answers all who have asked; they wait for nothing but the socket.
    pub(super) fn answer(&mut self, status: &[u8]) {
        let until = Instant::now() + PATIENCE;
        let answer = |stream| Answer { stream, rest: status.to_vec(), until };
        self.waiting.extend(self.asking.drain(..).map(answer));
        self.go_on();
    }

    /// Writes what there is room for to those who are being answered.
    pub(super) fn go_on(&mut self) {
        let now = Instant::now();
        self.waiting.retain_mut(|answer| answer.until > now && answer.go_on());
    }

    /// Those who have not read all of it yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.waiting.iter().map(|answer| answer.stream.as_fd())
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|answer| answer.until).min()
    }
}

impl AsFd for StatusSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for StatusSocket {
    fn drop(&mut self) {
        let is_ours = fs::metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Answer {
    /// Whether there is more to write.
    fn go_on(&mut self) -> bool {
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(0) => return false,
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }
}

fn check_free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(ErrorKind::AlreadyExists, "a file that is no socket is there"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another process answers there")),
            // Left behind by one that was killed.
            Err(_) => Ok(()),
        },
    }
}

fn open_beside(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Nobody can connect before listen.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listen(&socket, 64)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_stale_one_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        drop(UnixListener::bind(&path).unwrap());
        let mut socket = StatusSocket::open(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let error = StatusSocket::open(&path, false).unwrap_err();
        assert_eq!(error.to_string(), "another process answers there");
        let mut asking = UnixStream::connect(&path).unwrap();
        assert!(socket.is_asked());
        socket.answer(b"well");
        let mut said = String::new();
        asking.read_to_string(&mut said).unwrap();
        assert_eq!(said, "well");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn the_path_of_a_new_master_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        let old = StatusSocket::open(&path, false).unwrap();
        let new = StatusSocket::open(&path, true).unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_is_not_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StatusSocket::open(file.path(), false).unwrap_err();
        assert_eq!(error.to_string(), "a file that is no socket is there");
    }

    #[test]
    fn who_does_not_read_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        let mut socket = StatusSocket::open(&path, false).unwrap();
        let long = vec![b'x'; 4 << 20];
        let mut lazy = UnixStream::connect(&path).unwrap();
        assert!(socket.is_asked());
        socket.answer(&long);
        assert_eq!(socket.waiting().count(), 1);
        let mut read = vec![0; 4 << 20];
        let mut length = 0;
        while length < read.len() {
            length += lazy.read(&mut read[length..]).unwrap();
            socket.go_on();
        }
        assert_eq!(socket.waiting().count(), 0);
    }
}
