//! One computation for all who want the same number at the same time.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use crate::compute::{Job, Pool};
use crate::fibonacci::{Cancelled, Index};
use crate::stats::ComputeStats;

/// The computations under way, at most one for each number: so the queue before the threads is bounded, too.
pub(crate) struct Flights {
    air: Arc<Air>,
    pool: Pool<Flight>,
}

/// A place among those who wait for a number. The computation ends with the last of them.
pub(crate) struct Waiter {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// A moment, as [`Flights`] count them: see [`Flights::now`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

/// The computation failed: it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the computation failed")]
pub(crate) struct Failed;

type Outcome = Result<u64, Failed>;

/// How a number is computed, until the flag is set; from any thread.
pub(crate) type Compute = dyn Fn(Index, &AtomicBool) -> Result<u64, Cancelled> + Send + Sync;

/// What is done with a number before anybody is told; from any thread.
pub(crate) type Keep = dyn Fn(Index, u64) + Send + Sync;

/// What flights in the air share with their threads.
struct Air {
    compute: Box<Compute>,
    keep: Box<Keep>,
    stats: Arc<ComputeStats>,
    /// How many have landed.
    landed: AtomicU64,
    numbers: Mutex<[Number; Index::COUNT]>,
}

/// What is known of one number.
#[derive(Clone, Default)]
struct Number {
    current: Option<(Arc<Flight>, usize)>,
    /// When it was computed last, as a number of landings, and what came out.
    last: Option<(u64, u64)>,
}

/// One computation.
pub(crate) struct Flight {
    n: Index,
    /// Told that nobody waits any more.
    cancelled: AtomicBool,
    outcome: watch::Sender<Option<Outcome>>,
    air: Arc<Air>,
}

/// What becomes of a request for a number.
pub(crate) enum Joined {
    /// It was computed while the request was under way.
    Landed(u64),
    /// It has to be waited for.
    Waiting(Waiter),
}

impl Flights {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has none to give.
    pub(crate) fn start(
        threads: NonZeroUsize,
        stats: Arc<ComputeStats>,
        compute: Box<Compute>,
        keep: Box<Keep>,
    ) -> io::Result<Arc<Self>> {
        let numbers = Mutex::new(std::array::from_fn(|_| Number::default()));
        let air = Arc::new(Air { compute, keep, stats, landed: AtomicU64::new(0), numbers });
        Ok(Arc::new(Self { air, pool: Pool::start(threads)? }))
    }

    /// The present moment, taken before the cache is asked: a number that is computed after that is given to whoever comes from
    /// there with nothing. Else a computation that ended meanwhile would be done again.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.air.landed.load(Ordering::Acquire))
    }

    /// Joins the computation of this number, or begins it. `since` is when the request did.
    pub(crate) fn join(self: &Arc<Self>, n: Index, since: Moment) -> Joined {
        let mut numbers = self.air.lock();
        let number = &mut numbers[usize::from(n.get())];
        if let Some((flight, waiters)) = &mut number.current {
            *waiters += 1;
            return Joined::Waiting(self.waiter(Arc::clone(flight)));
        }
        if let Some((landing, value)) = number.last
            && landing > since.0
        {
            return Joined::Landed(value);
        }
        let flight = Arc::new(Flight {
            n,
            cancelled: AtomicBool::new(false),
            outcome: watch::Sender::new(None),
            air: Arc::clone(&self.air),
        });
        number.current = Some((Arc::clone(&flight), 1));
        drop(numbers);
        self.pool.submit(Arc::clone(&flight));
        Joined::Waiting(self.waiter(flight))
    }

    /// Computations that wait for a thread, and those that have one.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.pool.load()
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.pool.threads()
    }

    fn waiter(self: &Arc<Self>, flight: Arc<Flight>) -> Waiter {
        Waiter { flights: Arc::clone(self), outcome: flight.outcome.subscribe(), flight }
    }

    /// One who waited for it is gone.
    fn leave(&self, flight: &Arc<Flight>) {
        {
            let mut numbers = self.air.lock();
            let number = &mut numbers[usize::from(flight.n.get())];
            let Some((_, waiters)) =
                number.current.as_mut().filter(|(current, _)| Arc::ptr_eq(current, flight))
            else {
                return;
            };
            *waiters -= 1;
            if *waiters > 0 {
                return;
            }
            number.current = None;
        }
        flight.cancelled.store(true, Ordering::Relaxed);
        if self.pool.withdraw(flight) {
            self.air.stats.withdrawn();
            tracing::debug!(n = flight.n.get(), "nobody waits any more, it is not computed");
        }
    }
}

impl Drop for Flights {
    /// Nobody waits any more when this happens, or would have to be told: each [`Waiter`] has a share in it.
    fn drop(&mut self) {
        for number in self.air.lock().iter() {
            if let Some((flight, _)) = &number.current {
                flight.cancelled.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Waiter {
    /// Waits for the number. Dropping the future gives the place up.
    ///
    /// # Errors
    /// [`Failed`]
    pub(crate) async fn landing(mut self) -> Outcome {
        // The sender lives in the flight, which this holds.
        let outcome = self.outcome.wait_for(Option::is_some).await.map(|outcome| *outcome);
        outcome.ok().flatten().unwrap_or(Err(Failed))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.flights.leave(&self.flight);
    }
}

impl Job for Flight {
    fn run(&self) {
        let mut landing = Landing { flight: self, outcome: Some(Err(Failed)) };
        self.air.stats.begun();
        let begun = Instant::now();
        tracing::debug!(n = self.n.get(), "computing");
        let outcome = (self.air.compute)(self.n, &self.cancelled);
        let (n, elapsed) = (self.n.get(), begun.elapsed());
        let duration_us = elapsed.as_micros();
        match outcome {
            Ok(value) => {
                self.air.stats.computed(elapsed);
                tracing::debug!(n, duration_us, "computed");
                (self.air.keep)(self.n, value);
            }
            Err(Cancelled) => {
                self.air.stats.cancelled();
                tracing::debug!(n, duration_us, "nobody waits any more, computing was stopped");
            }
        }
        landing.outcome = outcome.ok().map(Ok);
    }
}

/// Tells all who wait, also when the computation panicked.
struct Landing<'a> {
    flight: &'a Flight,
    /// None if it was cancelled, and there is nobody to tell.
    outcome: Option<Outcome>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let Self { flight, outcome } = self;
        let Some(outcome) = *outcome else { return };
        if outcome.is_err() {
            flight.air.stats.failed();
        }
        {
            let mut numbers = flight.air.lock();
            let number = &mut numbers[usize::from(flight.n.get())];
            if let Ok(value) = outcome {
                let landing = flight.air.landed.load(Ordering::Relaxed) + 1;
                number.last = Some((landing, value));
                flight.air.landed.store(landing, Ordering::Release);
            }
            // Another one may have taken off, if all had left this one in its last moment.
            number.current.take_if(|(current, _)| std::ptr::eq(Arc::as_ptr(current), *flight));
        }
        flight.outcome.send_replace(Some(outcome));
    }
}

impl Air {
    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, [Number; Index::COUNT]> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("n", &self.n)
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("flight", &self.flight).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
