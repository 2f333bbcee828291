//! Which worker accepts from which listening sockets.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::task::Poll;

use rustix::net::sockopt;
use tokio::net::TcpStream;

use crate::error::FrontError;

/// The listening sockets of a front, and how its workers have them. There is at least one worker.
#[derive(Debug)]
pub struct Listeners {
    of_workers: Vec<OfWorker>,
}

/// The sockets of one worker.
#[derive(Debug)]
pub(super) struct OfWorker {
    pub(super) sockets: Vec<TcpListener>,
    /// Whether nobody else has them, so that what waits in their queues when they are closed is lost.
    pub(super) alone: bool,
}

impl From<Vec<TcpListener>> for Listeners {
    /// A worker for each socket, such as [`bind`] gives them. They are this process's alone: connections that wait in their queues when
    /// it is told to stop are served before it ends.
    ///
    /// [`bind`]: crate::bind
    fn from(sockets: Vec<TcpListener>) -> Self {
        let of_workers =
            sockets.into_iter().map(|socket| OfWorker { sockets: vec![socket], alone: true }).collect();
        Self { of_workers }
    }
}

impl Listeners {
    /// As many workers, each of which accepts from all these sockets, such as a master or systemd gives them to a process. Whoever gave them
    /// keeps them: connections that wait in their queues when this process is told to stop are left to the next.
    ///
    /// A connection wakes all workers that have nothing else to do, here and in all processes that have the socket, and one gets it.
    ///
    /// # Errors
    /// If there is no socket, or one that does not listen, or the process has no descriptors left.
    pub fn share(sockets: Vec<TcpListener>, workers: usize) -> Result<Self, FrontError> {
        if sockets.is_empty() {
            return Err(FrontError::NoListener);
        }
        for socket in &sockets {
            let listens =
                sockopt::socket_acceptconn(socket).map_err(|errno| FrontError::Listener(errno.into()))?;
            if !listens {
                return Err(FrontError::Listener(io::Error::other("it does not listen")));
            }
        }
        let copy = || sockets.iter().map(TcpListener::try_clone).collect::<io::Result<_>>();
        let of_workers = (1..workers.max(1))
            .map(|_| copy())
            .collect::<io::Result<Vec<_>>>()
            .map_err(FrontError::Listener)?
            .into_iter()
            .chain([sockets])
            .map(|sockets| OfWorker { sockets, alone: false })
            .collect();
        Ok(Self { of_workers })
    }

    /// Where they listen, each address once.
    ///
    /// # Errors
    /// If one has no address that TCP has: it is a socket of another kind.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, FrontError> {
        let sockets = self.of_workers.iter().flat_map(|worker| &worker.sockets);
        let mut addresses = Vec::new();
        for socket in sockets {
            let address = socket.local_addr().map_err(FrontError::Listener)?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    /// For the workers, set so that accepting does not block. That is a property of the socket, which all its holders share.
    pub(super) fn into_workers(self) -> Result<Vec<OfWorker>, FrontError> {
        for socket in self.of_workers.iter().flat_map(|worker| &worker.sockets) {
            socket.set_nonblocking(true).map_err(FrontError::Listener)?;
        }
        if self.of_workers.is_empty() { Err(FrontError::NoListener) } else { Ok(self.of_workers) }
    }
}

/// The sockets of a worker, registered with its runtime.
pub(super) struct Accepting {
    sockets: Vec<tokio::net::TcpListener>,
    /// Which is looked at first.
    first: usize,
}

impl Accepting {
    pub(super) fn begin(of_worker: &OfWorker) -> io::Result<Self> {
        let register = |socket: &TcpListener| socket.try_clone().and_then(tokio::net::TcpListener::from_std);
        let sockets = of_worker.sockets.iter().map(register).collect::<io::Result<_>>()?;
        Ok(Self { sockets, first: 0 })
    }

    /// The next connection at any of the sockets. No socket is kept from its turn by those that are busier.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let (before, from_first) = self.sockets.split_at(self.first);
            for socket in from_first.iter().chain(before) {
                if let Poll::Ready(accepted) = socket.poll_accept(context) {
                    self.first = (self.first + 1) % self.sockets.len();
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }
}
