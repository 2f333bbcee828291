//! Folders and files that the programs need, whatever an earlier run has left.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

use crate::configuration::{self, Values};
use crate::identity::{DAEMON_UID, Identity, WORKERS_GID};
use crate::place;
use crate::settings::{Listen, Settings};

/// Makes everything ready for both programs.
///
/// # Errors
/// A folder that cannot be written, by name.
pub(crate) fn prepare(settings: &Settings, identity: Identity) -> Result<()> {
    for (folder, mode) in [(place::NGINX_FOLDER, 0o755), (place::TEMPORARY, 0o711)] {
        make_folder(Path::new(folder), mode).with_context(|| {
            format!(
                "cannot make {folder}; with --read-only or --user UID, give --tmpfs /run:uid=UID --tmpfs /tmp"
            )
        })?;
    }
    if identity == Identity::Root {
        make_run_folders()?;
        give_to_daemon(Path::new(place::STORE))?;
    }
    let sockets = settings.listen.iter().filter_map(|address| match address {
        Listen::Unix(path) => Some(path.as_str()),
        _ => None,
    });
    for socket in sockets.chain([place::HEALTH_SOCKET]) {
        remove_socket(Path::new(socket))?;
    }
    write_configuration(settings, identity)
}

/// Fills in the template anew.
///
/// # Errors
/// As [`configuration::read_and_fill`], or the file cannot be written.
pub(crate) fn write_configuration(settings: &Settings, identity: Identity) -> Result<()> {
    let stdout = fs::OpenOptions::new().append(true).open("/dev/stdout").is_ok();
    if !stdout {
        tracing::warn!(
            "standard output cannot be opened by nginx, so there is no access log; a pipe, a file or a terminal can be"
        );
    }
    let text = configuration::read_and_fill(&Values { settings, identity, stdout })?;
    let (path, staged) = (place::CONFIGURATION, format!("{}.new", place::CONFIGURATION));
    let write = || -> io::Result<()> {
        fs::write(&staged, text)?;
        fs::rename(&staged, path)
    };
    write().with_context(|| format!("cannot write {path}"))
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    // The umask may have taken something away. What somebody else made is theirs.
    match fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// The daemon's own way to make them needs more capabilities (FOWNER and DAC_OVERRIDE) than it is worth: here they get their mode, then
/// what is in them, and their owner at the end.
fn make_run_folders() -> Result<()> {
    let outer = Path::new(place::API_SOCKET).parent().context("a socket lies in a folder")?;
    if outer.exists() {
        return Ok(());
    }
    let inner = Path::new(place::PUBLISHED);
    let make = || -> io::Result<()> {
        make_folder(outer, 0o750)?;
        make_folder(inner, 0o750)?;
        [inner, outer].iter().try_for_each(|folder| chown(folder, Some(DAEMON_UID), Some(WORKERS_GID)))
    };
    make().with_context(|| format!("cannot make {} for the daemon", outer.display()))
}

/// A fresh volume is root's. One that belongs to somebody else is left alone.
fn give_to_daemon(folder: &Path) -> Result<()> {
    let give = || -> io::Result<()> {
        if fs::metadata(folder)?.uid() == 0 {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
            chown(folder, Some(DAEMON_UID), Some(DAEMON_UID))?;
        }
        Ok(())
    };
    give().with_context(|| format!("cannot give {} to the daemon's user", folder.display()))
}

/// nginx does not listen where the socket of one that was killed still lies.
fn remove_socket(path: &Path) -> Result<()> {
    let remove = || match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::other("it is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    remove().with_context(|| format!("cannot listen at {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, file) = (folder.path().join("a.sock"), folder.path().join("file"));
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        fs::write(&file, "mine").unwrap();
        remove_socket(&socket).unwrap();
        remove_socket(&socket).unwrap();
        assert!(!socket.exists());
        assert!(format!("{:#}", remove_socket(&file).unwrap_err()).contains("it is no socket"));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn folders_have_their_modes_whoever_made_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nginx");
        for mode in [0o700, 0o755] {
            make_folder(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
        }
        assert!(make_folder(&folder.path().join("a/b"), 0o755).is_err());
    }
}
