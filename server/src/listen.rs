//! The listening socket and the threads that serve it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::flags::Flags;
use crate::service::Service;
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
    flags: &Flags,
    stop: Stop,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot read the address of the listening socket")?;
    listener.set_nonblocking(true).context("cannot prepare the listening socket")?;
    let slots = Arc::new(Semaphore::new(flags.max_connections as usize));
    let mut workers = Vec::new();
    for number in 0..flags.threads() {
        let worker = Worker {
            listener: listener.try_clone().context("cannot share the listening socket")?,
            service: service.clone(),
            slots: Arc::clone(&slots),
            open: Arc::new(()),
            stop: stop.clone(),
            head_limit: flags.head_limit,
            read_timeout: flags.read_timeout,
            shutdown_deadline: flags.shutdown_deadline,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(worker.run()))
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
    /// One more reference for each open connection of this worker.
    open: Arc<()>,
    stop: Stop,
    head_limit: usize,
    read_timeout: Duration,
    shutdown_deadline: Duration,
}

/// How long to leave the accept queue alone when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Worker {
    /// Runs until told to stop; gives the number of connections that had to be cut off.
    async fn run(mut self) -> anyhow::Result<usize> {
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)
            .context("cannot register the listening socket")?;
        let graceful = GracefulShutdown::new();
        loop {
            let slot = tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => slot?,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.spawn(stream, peer, slot, &graceful),
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
            self.spawn(TcpStream::from_std(stream)?, peer, slot, &graceful);
        }
        drop(listener);
        drop(self.listener);
        match timeout(self.shutdown_deadline, graceful.shutdown()).await {
            Ok(()) => Ok(0),
            Err(_) => Ok(Arc::strong_count(&self.open) - 1),
        }
    }

    fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: tokio::sync::OwnedSemaphorePermit,
        graceful: &GracefulShutdown,
    ) {
        // Answers are written whole; waiting to fill a segment only delays the last one.
        let _ = stream.set_nodelay(true);
        let service = self.service.clone();
        let answer = service_fn(move |request| {
            let service = service.clone();
            async move { service.answer(peer, request).await }
        });
        // Not `pipeline_flush`: with it hyper 1.12 never sends its own 400 and 431, because the bytes that it
        // could not parse count as a request that follows.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.read_timeout)
            .max_buf_size(self.head_limit)
            .serve_connection(TokioIo::new(stream), answer);
        let watched = graceful.watch(connection);
        let open = Arc::clone(&self.open);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                // Clients that go away or speak nonsense are their own business.
                tracing::debug!(%peer, %error, "connection ended early");
            }
            drop((slot, open));
        });
    }
}
