//! The thread of the admin side, from its first connection to its end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::address::{AdminAddress, RuntimeFolders};
use super::answer::Refusal;
use super::browsers::{Way, keep_browsers_out};
use super::socket::OwnSocket;
use crate::application::Response;
use crate::error::FrontError;

/// A program that operators see and change.
pub trait Operated: Send + 'static {
    /// The answer to a request with this head. The body of a request is not looked at. Runs on the admin side's thread: whoever takes long
    /// there holds up other operators, and nobody else.
    ///
    /// # Errors
    /// Any answer that refuses; it is sent like another.
    fn answer(&self, head: &Parts) -> impl Future<Output = Result<Response, Refusal>>;
}

/// The admin side while it runs. Ends when dropped: answers that are under way are given, and the socket is removed.
#[derive(Debug)]
pub struct Admin {
    address: AdminAddress,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removed before the listener is closed: whoever finds the socket is answered.
    socket: Option<OwnSocket>,
}

/// Connections served at once. Operators and monitoring have a few.
const MAX_CONNECTIONS: usize = 64;
const HEAD_LIMIT: usize = 8 * 1024;
/// For a head to arrive, and between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the listener is left alone when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long answers that are under way get at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Starts the admin side of `program`, which listens on `port`. Without an address it goes where [`RuntimeFolders`] say; there is
/// none if nothing is possible there, and a warning says so.
///
/// # Errors
/// If `address` cannot be listened at: who asks for one wants it.
pub fn start<O: Operated>(
    address: Option<&AdminAddress>,
    program: &str,
    port: u16,
    operated: O,
) -> Result<Option<Admin>, FrontError> {
    match address {
        Some(AdminAddress::Off) => Ok(None),
        Some(AdminAddress::Unix(path)) => start_unix(path, operated).map(Some),
        Some(AdminAddress::Tcp(address)) => start_tcp(*address, operated).map(Some),
        None => {
            let Some(path) = RuntimeFolders::from_environment().socket(program, port) else {
                tracing::warn!(
                    "there is no admin side, as there is no folder for its socket: neither RUNTIME_DIRECTORY nor \
                     XDG_RUNTIME_DIR is set, and /run is not ours to write; give a path with --admin"
                );
                return Ok(None);
            };
            match start_unix(&path, operated) {
                Ok(admin) => Ok(Some(admin)),
                Err(error) => {
                    tracing::warn!(reason = whole(&error), "there is no admin side");
                    Ok(None)
                }
            }
        }
    }
}

/// An error and what led to it.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Starts the admin side at the unix socket `path`, in place of whoever is reached there now, who keeps what it was asked already: for a
/// process that takes the place of another.
///
/// # Errors
/// If there can be no socket, or something else is there.
pub fn take_over<O: Operated>(path: &Path, operated: O) -> Result<Admin, FrontError> {
    listen_at(OwnSocket::replace(path)?, operated)
}

fn start_unix<O: Operated>(path: &Path, operated: O) -> Result<Admin, FrontError> {
    listen_at(OwnSocket::bind(path)?, operated)
}

fn listen_at<O: Operated>(
    (socket, listener): (OwnSocket, UnixListener),
    operated: O,
) -> Result<Admin, FrontError> {
    tracing::info!(admin = %socket.path().display(), "admin side");
    let address = AdminAddress::Unix(socket.path().to_owned());
    start_thread(address, Listener::Unix(listener), operated, Some(socket))
}

fn start_tcp<O: Operated>(address: SocketAddr, operated: O) -> Result<Admin, FrontError> {
    let failed = |source| FrontError::AdminAddress { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(admin = %address, "admin side");
    start_thread(AdminAddress::Tcp(address), Listener::Tcp(listener), operated, None)
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

fn start_thread<O: Operated>(
    address: AdminAddress,
    listener: Listener,
    operated: O,
    socket: Option<OwnSocket>,
) -> Result<Admin, FrontError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(FrontError::Thread)?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("admin".into())
        .spawn(move || run(&runtime, listener, operated, stopped))
        .map_err(FrontError::Thread)?;
    Ok(Admin { address, stop: Some(stop), thread: Some(thread), socket })
}

impl Admin {
    /// Where it is reached; never [`AdminAddress::Off`].
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.socket.take());
        if let Some(stop) = self.stop.take() {
            // It has ended already if nobody takes it.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the admin side panicked");
        }
    }
}

fn run<O: Operated>(runtime: &Runtime, listener: Listener, operated: O, stopped: oneshot::Receiver<()>) {
    // Nothing is ever sent on either: the first is closed by the last connection, the second to end them.
    let (open, mut all_closed) = mpsc::channel(1);
    let (end, ending) = watch::channel(());
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = Connections { operated: Rc::new(operated), slots, open, ending };
    LocalSet::new().block_on(runtime, async {
        let accepting = async {
            match listener {
                Listener::Unix(listener) => {
                    let listener = tokio::net::UnixListener::from_std(listener)?;
                    connections.accept(Way::Unix, async || Ok(listener.accept().await?.0)).await
                }
                Listener::Tcp(listener) => {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    connections.accept(Way::Tcp, async || Ok(listener.accept().await?.0)).await
                }
            }
        };
        tokio::select! {
            Err(error) = accepting => {
                let error: io::Error = error;
                tracing::error!(%error, "the admin side ended, its listener cannot be used");
            }
            // An error is the sender gone, which is the same.
            _ = stopped => {
                drop((connections, end));
                let _ = timeout(LAST_ANSWERS, all_closed.recv()).await;
            }
        }
    });
}

/// What connections share.
struct Connections<O> {
    operated: Rc<O>,
    slots: Arc<Semaphore>,
    open: mpsc::Sender<Infallible>,
    ending: watch::Receiver<()>,
}

impl<O: Operated> Connections<O> {
    /// Accepts for ever.
    async fn accept<S>(
        &self,
        way: Way,
        mut next: impl AsyncFnMut() -> io::Result<S>,
    ) -> io::Result<Infallible>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        loop {
            // Nobody closes the semaphore.
            let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
            match next().await {
                Ok(stream) => {
                    let connection = serve(way, stream, Rc::clone(&self.operated), self.ending.clone());
                    let open = (slot, self.open.clone());
                    spawn_local(async move {
                        connection.await;
                        drop(open);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin side cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve<O, S>(way: Way, stream: S, operated: Rc<O>, mut ending: watch::Receiver<()>)
where
    O: Operated,
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let operated = Rc::clone(&operated);
        async move {
            let (head, _body) = request.into_parts();
            let answer = match keep_browsers_out(way, &head) {
                Ok(()) => operated.answer(&head).await,
                Err(refusal) => Err(refusal),
            };
            Ok::<Response, Infallible>(answer.unwrap_or_else(Refusal::into_response))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the admin side ended early");
    }
}
