//! A number for each request: from the cache, else computed.

use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::cache::{Cache, Found, LookUp};
use crate::fibonacci::{Index, fibonacci};
use crate::flight::{Failed, Flights, Joined, Moment};
use crate::stats::{CacheState, ComputeState, ComputeStats};

/// Gives numbers, from any thread. What it has started ends with the last share in it.
#[derive(Debug)]
pub struct Engine {
    cache: Arc<Cache>,
    flights: Arc<Flights>,
    compute_stats: Arc<ComputeStats>,
    compute_timeout: Duration,
}

/// An answer, here already or to be waited for inside a runtime of tokio with time. Who drops it does not want it any more.
pub enum Answer {
    /// It is here.
    Here(Result<u64, Refusal>),
    /// It is on its way.
    Later(Pin<Box<dyn Future<Output = Result<u64, Refusal>> + Send>>),
}

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was not computed in time.
    #[error(
        "fib({n}) was not computed within {patience:?}; ask for a smaller n, or again when less is computed"
    )]
    TimedOut {
        /// What was asked for.
        n: Index,
        /// How long it was waited for.
        patience: Duration,
    },
    /// Computing it failed, by a fault of this program.
    #[error("computing fib({n}) failed")]
    Failed {
        /// What was asked for.
        n: Index,
    },
}

impl Engine {
    /// Starts so many threads that compute. Nobody waits for a computation longer than `compute_timeout`.
    ///
    /// # Errors
    /// If the system has no threads to give.
    pub fn start(cache: Cache, threads: NonZeroUsize, compute_timeout: Duration) -> io::Result<Self> {
        let (cache, compute_stats) = (Arc::new(cache), Arc::new(ComputeStats::new()));
        let filled = Arc::clone(&cache);
        // Before anybody is told, so that whoever asks next finds it there.
        let keep = Box::new(move |n, value| filled.store(n, value));
        let flights = Flights::start(threads, Arc::clone(&compute_stats), Box::new(fibonacci), keep)?;
        Ok(Self { cache, flights, compute_stats, compute_timeout })
    }

    /// Answers at once if the cache does.
    pub fn answer(&self, n: Index) -> Answer {
        let since = self.flights.now();
        match self.cache.look_up(n) {
            LookUp::Here(Found::Hit(value)) => Answer::Here(Ok(value)),
            LookUp::Here(Found::Nothing) => match self.flights.join(n, since) {
                Joined::Landed(value) => Answer::Here(Ok(value)),
                Joined::Waiting(waiter) => {
                    let patience = self.compute_timeout;
                    Answer::Later(Box::pin(async move {
                        read(n, patience, timeout(patience, waiter.landing()).await.ok())
                    }))
                }
            },
            LookUp::Later(pending) => {
                let (flights, patience) = (Arc::clone(&self.flights), self.compute_timeout);
                Answer::Later(Box::pin(async move {
                    match pending.found().await {
                        Found::Hit(value) => Ok(value),
                        Found::Nothing => compute(&flights, n, since, patience).await,
                    }
                }))
            }
        }
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// What became of its calls.
    pub fn cache_state(&self) -> CacheState {
        self.cache.stats().state()
    }

    /// What became of computations.
    pub fn compute_state(&self) -> ComputeState {
        self.compute_stats.state()
    }

    /// Computations that wait for a thread, and those that have one.
    pub fn load(&self) -> (usize, usize) {
        self.flights.load()
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        self.flights.threads()
    }
}

async fn compute(
    flights: &Arc<Flights>,
    n: Index,
    since: Moment,
    patience: Duration,
) -> Result<u64, Refusal> {
    match flights.join(n, since) {
        Joined::Landed(value) => Ok(value),
        Joined::Waiting(waiter) => read(n, patience, timeout(patience, waiter.landing()).await.ok()),
    }
}

fn read(n: Index, patience: Duration, outcome: Option<Result<u64, Failed>>) -> Result<u64, Refusal> {
    match outcome {
        Some(outcome) => outcome.map_err(|Failed| Refusal::Failed { n }),
        None => Err(Refusal::TimedOut { n, patience }),
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(answer) => f.debug_tuple("Here").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}
