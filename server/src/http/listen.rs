//! The listening socket and the threads that serve it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::service::Service;
use crate::options::Options;
use crate::shutdown::Stop;

pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; choose another with --port, or --port 0 for any free one")
    })
}

/// Serves until `stop`, then lets open requests finish within the deadline.
///
/// Every thread has its own runtime and accepts from the one socket: no request ever crosses
/// threads, and no connection is bound to a thread that is busy before it was accepted.
pub(crate) fn serve(
    listener: TcpListener,
    service: Service,
    options: &Options,
    stop: Stop,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot read the address of the listening socket")?;
    listener.set_nonblocking(true).context("cannot prepare the listening socket")?;
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let mut workers = Vec::new();
    for number in 0..options.threads {
        let worker = Worker {
            listener: listener.try_clone().context("cannot share the listening socket")?,
            service: service.clone(),
            slots: Arc::clone(&slots),
            stop: stop.clone(),
            head_limit: options.head_limit,
            read_timeout: options.read_timeout,
            shutdown_deadline: options.shutdown_deadline,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let outcome = runtime.block_on(worker.run());
                // What still runs in a plugin must not hold up the end.
                runtime.shutdown_background();
                outcome
            })
            .context("cannot start a thread")?;
        workers.push(thread);
    }
    drop(listener);
    tracing::info!(%address, threads = workers.len(), "listening");

    let mut cut_off = 0;
    for worker in workers {
        cut_off += worker.join().map_err(|_| anyhow::anyhow!("a worker thread panicked"))??;
    }
    if cut_off == 0 {
        tracing::info!("stopped");
    } else {
        tracing::warn!(connections = cut_off, "stopped at the deadline, connections were cut off");
    }
    Ok(())
}

struct Worker {
    listener: TcpListener,
    service: Service,
    /// One permit for each connection that may still be accepted, by any worker.
    slots: Arc<Semaphore>,
    stop: Stop,
    head_limit: usize,
    read_timeout: Duration,
    shutdown_deadline: Duration,
}

/// What a connection's task holds until the connection is closed.
struct Open {
    _slot: OwnedSemaphorePermit,
    _worker: mpsc::Sender<Infallible>,
}

/// How long to leave the accept queue alone when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection is read from once more after the server was told to stop: a request that was sent
/// before that is answered, even if nobody has looked at it yet.
const LAST_CALL: Duration = Duration::from_millis(50);

impl Worker {
    /// Runs until told to stop; gives the number of connections that had to be cut off.
    async fn run(mut self) -> anyhow::Result<usize> {
        let listener = self.listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        let listener = listener.context("cannot register the listening socket")?;
        // Nothing is ever sent; the channel closes when the last connection has.
        let (open, mut all_closed) = mpsc::channel(1);
        loop {
            let slot = tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => slot?,
                () = self.stop.told() => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.told() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer, Open { _slot: slot, _worker: open.clone() }),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Closing the socket resets whoever is still in its queue: take them in first.
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            let Ok((stream, peer)) = self.listener.accept() else { break };
            stream.set_nonblocking(true)?;
            self.spawn(TcpStream::from_std(stream)?, peer, Open { _slot: slot, _worker: open.clone() });
        }
        drop((listener, self.listener));
        let still_open = open.downgrade();
        drop(open);
        match timeout(self.shutdown_deadline, all_closed.recv()).await {
            Ok(_) => Ok(0),
            Err(_) => Ok(still_open.strong_count()),
        }
    }

    /// Serves a connection in a task of its own.
    fn spawn(&self, stream: TcpStream, peer: SocketAddr, open: Open) {
        // Answers are written whole; waiting to fill a segment only delays the last one.
        let _ = stream.set_nodelay(true);
        let (service, stop) = (self.service.clone(), self.stop.clone());
        let answer = service_fn(move |request| {
            let service = service.clone();
            let stop = stop.clone();
            async move {
                let mut response = service.answer(peer, request).await;
                if stop.is_told() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        // Not `pipeline_flush`: with it hyper 1.12 never sends its own 400 and 431, because the bytes that it
        // could not parse count as a request that follows.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.read_timeout)
            .max_buf_size(self.head_limit)
            .serve_connection(TokioIo::new(stream), answer);
        let mut stop = self.stop.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => Some(ended),
                () = stop.told() => None,
            };
            let ended = match ended {
                Some(ended) => ended,
                None => match timeout(LAST_CALL, connection.as_mut()).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                },
            };
            if let Err(error) = ended {
                // Clients that go away or speak nonsense are their own business.
                tracing::debug!(%peer, %error, "connection ended early");
            }
            drop(open);
        });
    }
}
