//! A small number for each thread that counts, its own for as long as it lives.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, PoisonError};

/// Numbers below this are each held by at most one living thread.
pub(super) const OWNED: usize = 64;
/// What threads get when all numbers are taken, and while they end.
pub(super) const SHARED: usize = OWNED;

/// The numbers that no thread holds.
static FREE: Mutex<[bool; OWNED]> = Mutex::new([true; OWNED]);

/// No number was asked for yet.
const NONE: usize = usize::MAX;

thread_local! {
    /// Apart from the lease, since what has no destructor costs less to look at.
    static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    static LEASE: RefCell<Option<Lease>> = const { RefCell::new(None) };
}

/// The number of this thread: its own if below [`OWNED`], else [`SHARED`].
pub(super) fn number() -> usize {
    match NUMBER.get() {
        NONE => take(),
        number => number,
    }
}

/// Takes the lowest free number, so that few threads use few.
#[cold]
fn take() -> usize {
    let number = {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let lowest = free.iter().position(|is_free| *is_free);
        lowest.inspect(|number| free[*number] = false)
    };
    let Some(number) = number else {
        // Asked again only by a thread that starts later.
        NUMBER.set(SHARED);
        return SHARED;
    };
    let lease = Lease(number);
    // A thread that is already ending has no place for it; the number goes back at once.
    match LEASE.try_with(|place| *place.borrow_mut() = Some(lease)) {
        Ok(()) => {
            NUMBER.set(number);
            number
        }
        Err(_) => SHARED,
    }
}

struct Lease(usize);

impl Drop for Lease {
    fn drop(&mut self) {
        NUMBER.set(SHARED);
        // The next holder takes this lock too, and so sees all that was counted under the number.
        FREE.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn living_threads_have_different_numbers_and_leave_them_to_others() {
        // Other tests hold numbers too, so nothing is said of which.
        for _ in 0..3 {
            let together = Barrier::new(2 * OWNED);
            let numbers: Vec<usize> = thread::scope(|scope| {
                let threads: Vec<_> = (0..2 * OWNED)
                    .map(|_| {
                        scope.spawn(|| {
                            let mine = number();
                            together.wait();
                            assert_eq!(number(), mine);
                            mine
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let owned: Vec<usize> = numbers.iter().copied().filter(|number| *number != SHARED).collect();
            assert_eq!(owned.iter().collect::<BTreeSet<_>>().len(), owned.len(), "{owned:?}");
            assert!(!owned.is_empty() && owned.len() <= OWNED);
        }
    }
}
