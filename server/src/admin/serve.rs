//! The thread of the admin side, from its first connection to its end.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::address::{AdminAddress, RuntimeFolders};
use super::perform::View;
use super::request::Way;
use super::socket::OwnSocket;

/// The admin side while it runs. Ends when dropped: answers that are under way are given, and the socket is removed.
#[derive(Debug)]
pub(crate) struct Admin {
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

/// Starts the admin side of a server that listens on `port`. Without an address it goes where [`RuntimeFolders`] say; there is
/// none if nothing is possible there, and a warning says so.
///
/// # Errors
/// If `address` cannot be listened at: who asks for one wants it.
pub(crate) fn start(address: Option<&AdminAddress>, port: u16, view: View) -> anyhow::Result<Option<Admin>> {
    match address {
        Some(AdminAddress::Off) => Ok(None),
        Some(AdminAddress::Unix(path)) => start_unix(path, view).map(Some),
        Some(AdminAddress::Tcp(address)) => start_tcp(*address, view).map(Some),
        None => {
            let Some(path) = RuntimeFolders::from_environment().socket(port) else {
                tracing::warn!(
                    "there is no admin side, as there is no folder for its socket: neither RUNTIME_DIRECTORY nor \
                     XDG_RUNTIME_DIR is set, and /run is not ours to write; give a path with --admin"
                );
                return Ok(None);
            };
            match start_unix(&path, view) {
                Ok(admin) => Ok(Some(admin)),
                Err(error) => {
                    tracing::warn!(reason = format!("{error:#}"), "there is no admin side");
                    Ok(None)
                }
            }
        }
    }
}

fn start_unix(path: &Path, view: View) -> anyhow::Result<Admin> {
    let (socket, listener) = OwnSocket::bind(path)?;
    tracing::info!(admin = %socket.path().display(), "admin side");
    start_thread(Listener::Unix(listener), view, Some(socket))
}

fn start_tcp(address: SocketAddr, view: View) -> anyhow::Result<Admin> {
    let failed = || format!("the admin side cannot listen on {address}; choose another with --admin");
    let listener = TcpListener::bind(address).with_context(failed)?;
    listener.set_nonblocking(true).with_context(failed)?;
    tracing::info!(admin = %listener.local_addr().with_context(failed)?, "admin side");
    start_thread(Listener::Tcp(listener), view, None)
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

fn start_thread(listener: Listener, view: View, socket: Option<OwnSocket>) -> anyhow::Result<Admin> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("admin".into())
        .spawn(move || run(&runtime, listener, view, stopped))
        .context("cannot start a thread")?;
    Ok(Admin { stop: Some(stop), thread: Some(thread), socket })
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

fn run(runtime: &Runtime, listener: Listener, view: View, stopped: oneshot::Receiver<()>) {
    // Nothing is ever sent on either: the first is closed by the last connection, the second to end them.
    let (open, mut all_closed) = mpsc::channel(1);
    let (end, ending) = watch::channel(());
    let connections =
        Connections { view: Rc::new(view), slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)), open, ending };
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
                tracing::error!(reason = format!("{error:#}"), "the admin side ended, its listener cannot be used");
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
struct Connections {
    view: Rc<View>,
    slots: Arc<Semaphore>,
    open: mpsc::Sender<Infallible>,
    ending: watch::Receiver<()>,
}

impl Connections {
    /// Accepts for ever.
    async fn accept<S>(
        &self,
        way: Way,
        mut next: impl AsyncFnMut() -> io::Result<S>,
    ) -> anyhow::Result<Infallible>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned().await?;
            match next().await {
                Ok(stream) => {
                    let connection = serve(way, stream, Rc::clone(&self.view), self.ending.clone());
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

async fn serve<S>(way: Way, stream: S, view: Rc<View>, mut ending: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        let view = Rc::clone(&view);
        async move {
            let (head, _body) = request.into_parts();
            Ok::<Response<_>, Infallible>(view.answer(way, &head).await)
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
