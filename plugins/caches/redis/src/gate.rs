//! Who may enter the queue: nobody while Redis is away, and so many at once.

use plugin_sdk::abi::Status;
use plugin_sdk::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by those who call and the thread that talks to Redis.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Repeats whether `away` is none, for a look without a lock.
    is_open: AtomicBool,
    /// Why Redis is away.
    away: Mutex<Option<Arc<str>>>,
    inside: AtomicUsize,
    most: usize,
}

/// A call that is open; it leaves when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Gate>);

impl Gate {
    /// A closed gate for `most` open calls.
    pub(crate) fn new(most: usize) -> Gate {
        Gate {
            is_open: AtomicBool::new(false),
            away: Mutex::new(Some("Redis was not asked yet".into())),
            inside: AtomicUsize::new(0),
            most,
        }
    }

    /// Lets calls in.
    pub(crate) fn open(&self) {
        *self.away() = None;
        self.is_open.store(true, Ordering::Release);
    }

    /// Lets no more calls in; they are told why.
    pub(crate) fn close(&self, reason: &str) {
        self.is_open.store(false, Ordering::Release);
        *self.away() = Some(reason.into());
    }

    /// Counts a call, if it may enter.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, Error> {
        if !self.is_open.load(Ordering::Acquire) {
            self.health()?;
        }
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            let most = self.most;
            return Err(Error::with_status(
                Status::LIMIT_EXCEEDED,
                format!("{most} calls wait for Redis already, as many as the setting most-calls allows"),
            ));
        }
        Ok(Place(Arc::clone(self)))
    }

    /// Whether calls are let in.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn health(&self) -> Result<(), Error> {
        match &*self.away() {
            None => Ok(()),
            Some(reason) => Err(Error::unavailable(&**reason)),
        }
    }

    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn away(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_enters_a_closed_gate_and_only_so_many_an_open_one() {
        let gate = Arc::new(Gate::new(2));
        assert_eq!(gate.enter().unwrap_err().status(), Status::UNAVAILABLE);
        gate.open();
        gate.health().unwrap();
        let (one, _two) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert_eq!(gate.enter().unwrap_err().status(), Status::LIMIT_EXCEEDED);
        drop(one);
        let _three = gate.enter().unwrap();
        gate.close("it is away");
        let error = gate.enter().unwrap_err();
        assert_eq!((error.status(), error.message()), (Status::UNAVAILABLE, "it is away"));
    }
}
