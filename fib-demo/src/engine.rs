//! A number for each request: from the cache, else computed.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::cache::{Cache, Found, LookUp, Pending};
use crate::fibonacci::{Index, fibonacci};
use crate::flight::{Failed, Flights, Joined, Moment, Waiter};
use crate::stats::{CacheState, ComputeState, ComputeStats};

/// Gives numbers, from any thread. What it has started ends with the last share in it.
#[derive(Debug)]
pub struct Engine {
    cache: Arc<Cache>,
    flights: Arc<Flights>,
    compute_stats: Arc<ComputeStats>,
    compute_timeout: Duration,
}

/// An answer, here already or to be waited for.
#[derive(Debug)]
pub enum Answer {
    /// It is here.
    Here(Result<u64, Refusal>),
    /// It is on its way.
    Later(Later),
}

/// An answer that is on its way. Who drops it does not want it any more.
pub struct Later {
    flights: Arc<Flights>,
    n: Index,
    patience: Duration,
    stage: Stage,
}

enum Stage {
    /// The cache is asked, since then.
    Cache(Pending, Moment),
    /// It is computed.
    Compute(Waiter),
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
        let stage = match self.cache.look_up(n) {
            LookUp::Here(Found::Hit(value)) => return Answer::Here(Ok(value)),
            LookUp::Here(Found::Nothing) => match self.flights.join(n, since) {
                Joined::Landed(value) => return Answer::Here(Ok(value)),
                Joined::Waiting(waiter) => Stage::Compute(waiter),
            },
            LookUp::Later(pending) => Stage::Cache(pending, since),
        };
        let flights = Arc::clone(&self.flights);
        Answer::Later(Later { flights, n, patience: self.compute_timeout, stage })
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

impl Later {
    /// Waits for it, inside a runtime of tokio with time.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn number(self) -> Result<u64, Refusal> {
        let Self { flights, n, patience, stage } = self;
        let waiter = match stage {
            Stage::Compute(waiter) => waiter,
            Stage::Cache(pending, since) => match pending.found().await {
                Found::Hit(value) => return Ok(value),
                Found::Nothing => match flights.join(n, since) {
                    Joined::Landed(value) => return Ok(value),
                    Joined::Waiting(waiter) => waiter,
                },
            },
        };
        match timeout(patience, waiter.landing()).await {
            Ok(outcome) => outcome.map_err(|Failed| Refusal::Failed { n }),
            Err(_) => Err(Refusal::TimedOut { n, patience }),
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("n", &self.n).finish_non_exhaustive()
    }
}
