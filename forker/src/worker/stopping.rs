//! The notice that a worker is to finish.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// Tells when a worker is to stop: no new connections, but an answer to every request that has come. After the graceful
/// deadline the master kills it.
///
/// For a thread that waits there is [`wait`](Stopping::wait), for an event loop a descriptor that becomes readable, for any async
/// runtime [`stopped`](Stopping::stopped). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stopping(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    readable: OwnedFd,
}

#[derive(Debug)]
struct State {
    /// Its other end reads the end of the file when this is gone, again and again.
    open: Option<OwnedFd>,
    /// Of the futures that wait, by their number.
    wakers: HashMap<u64, Waker>,
    next_number: u64,
}

/// The place of one future among those that wait.
struct Place<'a> {
    stopping: &'a Stopping,
    number: Option<u64>,
}

impl Stopping {
    pub(super) fn new() -> io::Result<Self> {
        let (readable, open) = pipe_with(PipeFlags::CLOEXEC)?;
        let state = State { open: Some(open), wakers: HashMap::new(), next_number: 0 };
        Ok(Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), readable })))
    }

    pub(super) fn begin(&self) {
        let mut state = self.state();
        drop(state.open.take());
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.0.changed.notify_all();
        wakers.into_values().for_each(Waker::wake);
    }

    /// Whether it is to stop.
    pub fn is_stopping(&self) -> bool {
        self.state().open.is_none()
    }

    /// Blocks until it is to stop.
    pub fn wait(&self) {
        let waited = self.0.changed.wait_while(self.state(), |state| state.open.is_some());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Resolves when it is to stop; in any runtime.
    pub async fn stopped(&self) {
        let mut place = Place { stopping: self, number: None };
        poll_fn(|context| place.poll(context)).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Keeps the last waker only: that two are the same cannot be relied on (`Waker::will_wake`), and a runtime may have another each time.
    fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.stopping.state();
        if state.open.is_none() {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            state.next_number += 1;
            state.next_number
        });
        let is_known = state.wakers.get(&number).is_some_and(|waker| waker.will_wake(context.waker()));
        let former = if is_known { None } else { state.wakers.insert(number, context.waker().clone()) };
        // With it may go the last of a task, and another place that wants the lock.
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.stopping.state().wakers.remove(&number);
            // Not while the lock is held, as above.
            drop(waker);
        }
    }
}

/// For a loop of blocking calls: waits until the descriptor is readable, a listener has a connection for instance, which gives `true`,
/// or until the worker is to stop and nothing is readable any more, which gives `false`. Sockets of a [`Worker`](super::Worker) do not block, so that
/// another worker may have been faster.
///
/// # Errors
/// As poll(2).
pub fn wait_for(readable: &impl AsFd, stopping: &Stopping) -> io::Result<bool> {
    loop {
        let mut watched = [PollFd::new(readable, PollFlags::IN), PollFd::new(stopping, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) if !watched[0].revents().is_empty() => return Ok(true),
            Ok(_) if !watched[1].revents().is_empty() => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Readable (and hung up) from the moment on when the worker is to stop. Only to be polled: there is nothing to read.
impl AsFd for Stopping {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.readable.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread;

    use rustix::event::Timespec;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_readable(stopping: &Stopping) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(stopping, PollFlags::IN)], Some(&now)).unwrap() == 1
    }

    #[test]
    fn a_thread_and_a_descriptor_learn_of_it() {
        let stopping = Stopping::new().unwrap();
        assert!(!stopping.is_stopping() && !is_readable(&stopping));
        let waiting = thread::spawn({
            let stopping = stopping.clone();
            move || stopping.wait()
        });
        stopping.begin();
        waiting.join().unwrap();
        assert!(stopping.is_stopping() && is_readable(&stopping) && is_readable(&stopping));
        stopping.wait();
    }

    #[test]
    fn what_is_readable_comes_before_the_end() {
        let stopping = Stopping::new().unwrap();
        let (readable, writable) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        rustix::io::write(&writable, b"x").unwrap();
        stopping.begin();
        assert!(wait_for(&readable, &stopping).unwrap());
        rustix::io::read(&readable, &mut [0; 1]).unwrap();
        assert!(!wait_for(&readable, &stopping).unwrap());
    }

    #[test]
    fn a_task_is_woken() {
        let stopping = Stopping::new().unwrap();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut stopped = pin!(stopping.stopped());
        assert!(stopped.as_mut().poll(&mut context).is_pending());
        assert!(stopped.as_mut().poll(&mut context).is_pending());
        stopping.begin();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(stopped.as_mut().poll(&mut context).is_ready());
    }

    /// A runtime may make a new waker for each poll, and a worker lives for months.
    #[test]
    fn a_future_has_one_waker_and_takes_it_along() {
        let stopping = Stopping::new().unwrap();
        let mut waiting = Box::pin(stopping.stopped());
        let mut other = Box::pin(stopping.stopped());
        for _ in 0..1000 {
            let waker = Waker::from(Arc::new(Count::default()));
            let mut context = Context::from_waker(&waker);
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert!(other.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(stopping.state().wakers.len(), 2);
        drop((waiting, other));
        assert_eq!(stopping.state().wakers.len(), 0);
    }
}
