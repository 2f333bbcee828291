//! The worker threads: each accepts from its sockets and serves what it accepted.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::access_log::AccessLog;
use super::connection::{self, Terms};
use super::heartbeat::Rounds;
use super::listeners::{Accepting, Listeners, OfWorker};
use super::progress::TimeLimits;
use super::service::Service;
use crate::application::Application;
use crate::descriptors;
use crate::error::FrontError;
use crate::settings::Settings;
use crate::shutdown::Stop;
use crate::stats::ServerStats;

/// Serves at these listeners until `stop`, then lets open requests finish within the deadline.
///
/// Every worker has its own runtime, and a connection stays with the worker that accepted it: no request ever
/// crosses threads.
///
/// # Errors
/// If it cannot begin, or if a worker panics; the others serve on until `stop` then.
pub fn serve<A: Application>(
    application: A,
    listeners: impl Into<Listeners>,
    settings: &Settings,
    stats: Arc<ServerStats>,
    stop: Stop,
) -> Result<(), FrontError> {
    let listeners = listeners.into();
    let addresses = listeners.addresses()?;
    let of_workers = listeners.into_workers()?;
    descriptors::provide(settings.max_connections, of_workers.len());
    let service = Service::new(application, stats, settings);
    let slots = Arc::new(Semaphore::new(settings.max_connections));
    let rounds = settings.heartbeat.clone().map(|heartbeat| Rounds::of(heartbeat, of_workers.len()));
    let mut workers = Vec::new();
    for (number, listeners) in of_workers.into_iter().enumerate() {
        let worker = Worker {
            listeners,
            service: service.clone(),
            slots: Arc::clone(&slots),
            stop: stop.clone(),
            head_limit: settings.head_limit,
            time_limits: TimeLimits {
                head: settings.read_timeout,
                idle: settings.idle_timeout,
                write: settings.write_timeout,
            },
            access_log: settings.access_log,
            shutdown_deadline: settings.shutdown_deadline,
            rounds: rounds.clone().map(|rounds| (rounds, number)),
        };
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
                let runtime = runtime.map_err(FrontError::Thread)?;
                let outcome = runtime.block_on(worker.run());
                // What the application still runs on threads that may block must not hold up the end.
                runtime.shutdown_background();
                outcome.map_err(FrontError::Listener)
            })
            .map_err(FrontError::Thread)?;
        workers.push(thread);
    }
    for address in addresses {
        tracing::info!(%address, threads = workers.len(), "listening");
    }

    let mut cut_off = 0;
    for worker in workers {
        cut_off += worker.join().map_err(|_| FrontError::WorkerPanicked)??;
    }
    if cut_off == 0 {
        tracing::info!("stopped");
    } else {
        tracing::warn!(connections = cut_off, "stopped at the deadline, connections were cut off");
    }
    Ok(())
}

struct Worker<A> {
    listeners: OfWorker,
    service: Service<A>,
    /// One permit for each connection that may still be accepted, by any worker.
    slots: Arc<Semaphore>,
    stop: Stop,
    head_limit: usize,
    time_limits: TimeLimits,
    access_log: bool,
    shutdown_deadline: Duration,
    /// Where to show that this one goes round, and its number there.
    rounds: Option<(Arc<Rounds>, usize)>,
}

/// How long to leave the accept queue alone when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl<A: Application> Worker<A> {
    /// Runs until told to stop; gives the number of connections that had to be cut off.
    async fn run(mut self) -> io::Result<usize> {
        let access_log = self.access_log.then(|| Rc::new(AccessLog::new()));
        if let Some(log) = access_log.clone() {
            tokio::task::spawn_local(async move { log.write_out().await });
        }
        if let Some((rounds, number)) = self.rounds.take() {
            tokio::task::spawn_local(rounds.go(number));
        }
        let terms = Rc::new(Terms {
            service: self.service.clone(),
            stop: self.stop.clone(),
            time_limits: self.time_limits,
            head_limit: self.head_limit,
            access_log: access_log.clone(),
        });
        let open = Rc::new(Cell::new(0));
        // Nothing is ever sent; the channel closes when the last connection has.
        let (last, mut all_closed) = mpsc::channel(1);
        let gate = Gate { terms, open: Rc::clone(&open), last };

        let mut accepting = Accepting::begin(&self.listeners)?;
        loop {
            let accepted = tokio::select! {
                // Once told it takes no more of what others could have.
                biased;
                () = self.stop.told() => break,
                accepted = accepting.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    gate.stats().accept_failed();
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // Only now, with somebody there: a slot that a worker took before it had a connection would be lost to those who wait
            // at the sockets of the other workers.
            let slot = tokio::select! {
                biased;
                // Nobody closes the semaphore.
                slot = Arc::clone(&self.slots).acquire_owned() => slot.map_err(io::Error::other)?,
                () = self.stop.told() => {
                    // It has been taken out of the queue, where another process could have had it.
                    gate.admit(stream, peer, None);
                    break;
                }
            };
            gate.admit(stream, peer, Some(slot));
        }
        // Closing a socket that nobody else has resets whoever is still in its queue: take them in first.
        for socket in self.listeners.sockets.iter().filter(|_| self.listeners.alone) {
            while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                let Ok((stream, peer)) = socket.accept() else { break };
                stream.set_nonblocking(true)?;
                gate.admit(TcpStream::from_std(stream)?, peer, Some(slot));
            }
        }
        drop((accepting, self.listeners, gate));
        let in_time = timeout(self.shutdown_deadline, all_closed.recv()).await;
        if let Some(log) = access_log {
            log.flush();
        }
        Ok(if in_time.is_ok() { 0 } else { open.get() })
    }
}

/// Where connections come in, each into a task of its own.
struct Gate<A> {
    terms: Rc<Terms<A>>,
    open: Rc<Cell<usize>>,
    last: mpsc::Sender<Infallible>,
}

impl<A: Application> Gate<A> {
    fn stats(&self) -> &ServerStats {
        self.terms.service.stats()
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, slot: Option<OwnedSemaphorePermit>) {
        // Answers are written whole; waiting to fill a segment only delays the last one.
        let _ = stream.set_nodelay(true);
        let open = Open::new(self, slot);
        let terms = Rc::clone(&self.terms);
        tokio::task::spawn_local(async move {
            connection::serve(stream, peer, terms).await;
            drop(open);
        });
    }
}

/// What a connection's task holds until the connection is closed.
struct Open<A> {
    terms: Rc<Terms<A>>,
    count: Rc<Cell<usize>>,
    _slot: Option<OwnedSemaphorePermit>,
    _last: mpsc::Sender<Infallible>,
}

impl<A: Application> Open<A> {
    fn new(gate: &Gate<A>, slot: Option<OwnedSemaphorePermit>) -> Self {
        gate.stats().connection_accepted();
        gate.open.set(gate.open.get() + 1);
        Self {
            terms: Rc::clone(&gate.terms),
            count: Rc::clone(&gate.open),
            _slot: slot,
            _last: gate.last.clone(),
        }
    }
}

impl<A> Drop for Open<A> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.terms.service.stats().connection_closed();
    }
}
