//! Unix sockets have files.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use forker::socket::{Address, Socket, SocketError, SocketOptions, Sockets, Strategy};

fn open(path: &Path) -> Result<Sockets, SocketError> {
    let addresses = [Address::Unix(path.to_owned())];
    Sockets::open(&addresses, &SocketOptions::default(), Strategy::ReusePort, 3)
}

#[test]
fn its_file_goes_with_the_one_who_made_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let sockets = open(&path).unwrap();
    // Workers have clones, and they come and go.
    let clone = sockets.for_slot(2)[0].try_clone_to_owned().unwrap();
    drop(Socket::from_fd(clone).unwrap().into_unix_listener().unwrap());
    UnixStream::connect(&path).unwrap();
    drop(sockets);
    assert!(!path.exists());

    let only = Socket::open(&Address::Unix(path.clone()), &SocketOptions::default(), false).unwrap();
    let listener = only.into_unix_listener().unwrap();
    drop(listener);
    assert!(path.exists(), "what std has leaves the file");
}

#[test]
fn what_a_dead_server_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let living = UnixListener::bind(&path).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, SocketError::InUse { .. }), "{error}");
    drop(living);
    let sockets = open(&path).unwrap();
    // Somebody has put another file there meanwhile: it is not ours to remove.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    drop(sockets);
    assert!(path.exists());
    let error = open(&path).unwrap_err();
    assert!(matches!(error, SocketError::NoSocketFile(_)), "{error}");
    assert!(path.exists());
}

#[test]
fn the_file_has_the_mode_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let options = SocketOptions { unix_mode: Some(0o600), ..SocketOptions::default() };
    let _socket = Socket::open(&Address::Unix(path.clone()), &options, false).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_new_master_takes_the_file_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let mut former = open(&path).unwrap();
    let mut new = super::inherited::handed_over(&former);
    former.leave_files();
    drop(former);
    UnixStream::connect(&path).unwrap();
    new.take_files();
    drop(new);
    assert!(!path.exists());
}
