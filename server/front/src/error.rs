//! What keeps a front from serving.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why there is nothing served, or no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontError {
    /// Somebody else listens there, or nobody may.
    #[error("cannot listen on {address}; choose another with --port, or --port 0 for any free one")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// No listener was given.
    #[error("there is no socket to listen on")]
    NoListener,
    /// A listener is none, or not for this.
    #[error("cannot use the listening socket")]
    Listener(#[source] io::Error),
    /// The system has no room for another thread, or for what its runtime needs.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// A mistake in the front or in the application; its message is on standard error.
    #[error("a worker thread panicked")]
    WorkerPanicked,
    /// The admin side was asked for at an address that cannot be had.
    #[error("the admin side cannot listen on {address}; choose another with --admin")]
    AdminAddress {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: io::Error,
    },
    /// The admin side was asked for at a path that cannot be had.
    #[error(transparent)]
    AdminSocket(#[from] SocketError),
}

/// Why there is no unix socket at a path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A server answers there.
    #[error("another server listens at {}; stop it, or choose another path with --admin", .0.display())]
    Live(PathBuf),
    /// Something else has the name, and stays.
    #[error("{} is there and is no socket; remove it, or choose another path with --admin", .0.display())]
    NoSocket(PathBuf),
    /// The system did not do it.
    #[error("cannot make the socket {}: {source}; choose another path with --admin, or --admin off", path.display())]
    System {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
