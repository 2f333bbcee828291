//! An answer that may come at once or later, from any thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The receiving end. A future; or wait for it with [`Reply::wait`].
#[derive(Debug)]
pub struct Reply<T> {
    shared: Arc<Shared<T>>,
}

/// The sending end, used once.
#[derive(Debug)]
pub(crate) struct Promise<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// Whether a thread waits in [`Reply::wait`]. Nearly always none does, and telling nobody is a system call all the same.
    waited_for: bool,
}

pub(crate) fn channel<T>() -> (Promise<T>, Reply<T>) {
    let state = Mutex::new(State { value: None, waker: None, waited_for: false });
    let shared = Arc::new(Shared { state, answered: Condvar::new() });
    (Promise { shared: Arc::clone(&shared) }, Reply { shared })
}

impl<T> Promise<T> {
    /// Answers. The other end may be gone; nobody is told then.
    pub(crate) fn keep(self, value: T) {
        let (waker, waited_for) = {
            let mut state = self.shared.lock();
            state.value = Some(value);
            (state.waker.take(), state.waited_for)
        };
        if waited_for {
            self.shared.answered.notify_all();
        }
        // Outside the lock: a waker may run the task at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Reply<T> {
    /// The answer, if it is there already; else the reply, to be waited for.
    ///
    /// # Errors
    /// The reply itself.
    pub fn now(self) -> Result<T, Self> {
        let value = self.shared.lock().value.take();
        value.ok_or(self)
    }

    /// Waits on this thread until the answer is there, at most `patience`; `None` if it did not come. It
    /// is lost if it comes later.
    pub fn wait(self, patience: Duration) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            if let Some(value) = state.value.take() {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state.waited_for = true;
            state = self.shared.answered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl<T> Future for Reply<T> {
    type Output = T;

    /// # Panics
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.shared.lock();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Shared<T> {
    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_answer_arrives_before_or_after_it_is_waited_for() {
        let (promise, reply) = channel();
        promise.keep(1);
        assert_eq!(reply.wait(Duration::ZERO), Some(1));

        let (promise, reply) = channel();
        let reply = reply.now().unwrap_err();
        promise.keep(5);
        assert_eq!(reply.now().ok(), Some(5));

        let (promise, reply) = channel();
        let thread = std::thread::spawn(move || promise.keep(2));
        assert_eq!(reply.wait(Duration::from_secs(30)), Some(2));
        thread.join().unwrap();
    }

    #[test]
    fn no_answer_is_none_and_a_lost_receiver_is_no_fault() {
        let (promise, reply) = channel::<u8>();
        assert_eq!(reply.wait(Duration::from_millis(1)), None);
        promise.keep(3);
    }

    #[test]
    fn the_task_is_woken_once() {
        let (promise, reply) = channel();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut reply = std::pin::pin!(reply);
        assert_eq!(reply.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        promise.keep(4);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert_eq!(reply.poll(&mut Context::from_waker(&waker)), Poll::Ready(4));
    }
}
