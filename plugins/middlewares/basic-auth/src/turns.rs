//! A bound on how many verifications run at once: each takes a processor for a while and tens of megabytes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Turns, and a queue of bounded length before them.
#[derive(Debug)]
pub(crate) struct Turns {
    at_once: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
}

/// Threads that may wait for each turn. More than that, and waiting would take longer than clients do.
const WAITING_FOR_EACH: usize = 32;

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// So many at once, at least one.
    pub(crate) fn new(at_once: usize) -> Turns {
        Turns { at_once: at_once.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a turn; `None` at once if too many wait already.
    pub(crate) fn wait(&self) -> Option<Turn<'_>> {
        let mut state = self.lock();
        if state.running >= self.at_once {
            if state.waiting >= self.at_once * WAITING_FOR_EACH {
                return None;
            }
            state.waiting += 1;
            while state.running >= self.at_once {
                state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.waiting -= 1;
        }
        state.running += 1;
        Some(Turn(self))
    }

    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    #[test]
    fn no_more_than_allowed_run_at_once_and_all_get_their_turn() {
        let turns = Turns::new(2);
        let (running, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _turn = turns.wait().expect("sixteen may wait");
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 800);
        assert!(most.load(Ordering::SeqCst) <= 2);
        let state = turns.lock();
        assert_eq!((state.running, state.waiting), (0, 0));
    }

    #[test]
    fn the_queue_is_bounded() {
        let turns = Turns::new(1);
        let turn = turns.wait().unwrap();
        thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..WAITING_FOR_EACH).map(|_| scope.spawn(|| turns.wait().is_some())).collect();
            while turns.lock().waiting < WAITING_FOR_EACH {
                thread::yield_now();
            }
            assert!(turns.wait().is_none());
            drop(turn);
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert!(turns.wait().is_some());
    }
}
