//! The sockets that the daemon listens at.

use std::fs::{self, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::options::{Listen, Options};

/// All of them, not blocking.
pub(crate) struct Sockets {
    pub(crate) unix: OwnSocket,
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) resolvers: Option<OwnSocket>,
}

/// A listening unix socket; its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct OwnSocket {
    path: PathBuf,
    listener: UnixListener,
}

/// # Errors
/// If one cannot be, for instance because another daemon listens there.
pub(crate) fn bind(options: &Options, group: Option<u32>) -> anyhow::Result<Sockets> {
    let unix = OwnSocket::bind(&options.socket, group)?;
    let resolvers = options.resolver_socket.as_ref().map(|path| OwnSocket::bind(path, group)).transpose()?;
    let tcp = match options.listen {
        Listen::Off => None,
        Listen::At(address) => {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("cannot listen at {address} (--listen)"))?;
            listener.set_nonblocking(true)?;
            Some(listener)
        }
    };
    Ok(Sockets { unix, tcp, resolvers })
}

impl OwnSocket {
    /// Listens at `path`, for the owner and the group, in place of what a dead daemon left there. The process' umask keeps everybody else
    /// out from the first moment.
    fn bind(path: &Path, group: Option<u32>) -> anyhow::Result<Self> {
        let context = || format!("cannot listen at {}", path.display());
        remove_stale(path).with_context(context)?;
        let listener = UnixListener::bind(path).with_context(context)?;
        let socket = Self { path: path.to_owned(), listener };
        if group.is_some() {
            chown(path, None, group)
                .with_context(|| format!("cannot give {} to the group", path.display()))?;
        }
        fs::set_permissions(path, Permissions::from_mode(0o660)).with_context(context)?;
        socket.listener.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same socket once more.
    pub(crate) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        // If it cannot be removed, the next daemon finds that nobody listens there.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket at which nobody listens.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => bail!("there is a file that is no socket"),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("somebody listens there already"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}
