//! The threads that compute, and the queue before them.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Something to be done by one of the threads.
pub(crate) trait Job: Send + Sync + 'static {
    /// Does it, once. A panic costs this job alone.
    fn run(&self);
}

/// A fixed number of threads that take jobs in the order in which they came.
///
/// The queue has no bound of its own: whoever submits has one. When the pool is dropped, what waits is dropped undone, and
/// the drop returns when what runs has ended.
#[derive(Debug)]
pub(crate) struct Pool<J> {
    shared: Arc<Shared<J>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<J> {
    queue: Mutex<Queue<J>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue<J> {
    waiting: VecDeque<Arc<J>>,
    running: usize,
    closed: bool,
}

/// As many threads as this process may use cores, by its affinity and its control group's quota.
pub fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl<J: Job> Pool<J> {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system has none to give.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let queue = Queue { waiting: VecDeque::new(), running: 0, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::with_capacity(threads.get()) };
        for number in 0..threads.get() {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new().name(format!("compute-{number}"));
            pool.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// Puts a job at the end of the queue.
    pub(crate) fn submit(&self, job: Arc<J>) {
        self.shared.lock().waiting.push_back(job);
        self.shared.changed.notify_one();
    }

    /// Takes a job out of the queue; `false` if it has begun already.
    pub(crate) fn withdraw(&self, job: &Arc<J>) -> bool {
        let mut queue = self.shared.lock();
        let place = queue.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, job));
        place.and_then(|place| queue.waiting.remove(place)).is_some()
    }

    /// Jobs that wait for a thread, and jobs that have one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let queue = self.shared.lock();
        (queue.waiting.len(), queue.running)
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl<J> Drop for Pool<J> {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.waiting.clear();
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Panics of jobs do not come this far.
            let _ = thread.join();
        }
    }
}

impl<J: Job> Shared<J> {
    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(|| job.run())).is_err() {
                tracing::error!("a computation panicked");
            }
            drop(job);
            self.lock().running -= 1;
        }
    }

    /// The next job, as soon as there is one; none if there will not be any.
    fn next(&self) -> Option<Arc<J>> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.waiting.pop_front() {
                queue.running += 1;
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<J> Shared<J> {
    /// Nothing under the lock can panic half-way, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Says its name, then waits until it is let go, and panics if that is what its name says.
    struct Named(&'static str, Sender<&'static str>, Mutex<Receiver<()>>);

    impl Job for Named {
        fn run(&self) {
            self.1.send(self.0).unwrap();
            let _ = self.2.lock().unwrap().recv_timeout(PATIENCE);
            assert_ne!(self.0, "panic");
        }
    }

    struct Lab {
        pool: Pool<Named>,
        names: Receiver<&'static str>,
        say: Sender<&'static str>,
    }

    impl Lab {
        fn new(threads: usize) -> Self {
            let (say, names) = channel();
            Self { pool: Pool::start(NonZeroUsize::new(threads).unwrap()).unwrap(), names, say }
        }

        /// A job, and what lets it go when it is dropped.
        fn submit(&self, name: &'static str) -> (Arc<Named>, Sender<()>) {
            let (go, gate) = channel();
            let job = Arc::new(Named(name, self.say.clone(), Mutex::new(gate)));
            self.pool.submit(Arc::clone(&job));
            (job, go)
        }

        fn begun(&self) -> &'static str {
            self.names.recv_timeout(PATIENCE).unwrap()
        }
    }

    #[test]
    fn jobs_wait_in_order_for_as_many_threads_as_there_are() {
        let lab = Lab::new(2);
        let jobs: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| lab.submit(name)).into();
        let mut first = [lab.begun(), lab.begun()];
        first.sort_unstable();
        assert_eq!(first, ["a", "b"]);
        assert_eq!(lab.pool.load(), (3, 2));
        let mut jobs = jobs.into_iter();
        drop(jobs.next());
        assert_eq!(lab.begun(), "c");
        drop(jobs.next());
        assert_eq!(lab.begun(), "d");
    }

    #[test]
    fn what_is_withdrawn_does_not_run_and_what_runs_is_not_withdrawn() {
        let lab = Lab::new(1);
        let (running, go) = lab.submit("running");
        assert_eq!(lab.begun(), "running");
        let (unwanted, _) = lab.submit("unwanted");
        let (_, _wanted) = lab.submit("wanted");
        assert!(lab.pool.withdraw(&unwanted));
        assert!(!lab.pool.withdraw(&unwanted));
        assert!(!lab.pool.withdraw(&running));
        drop(go);
        assert_eq!(lab.begun(), "wanted");
    }

    #[test]
    fn a_panic_is_not_the_end_of_its_thread() {
        let lab = Lab::new(1);
        drop(lab.submit("panic"));
        drop(lab.submit("after"));
        assert_eq!([lab.begun(), lab.begun()], ["panic", "after"]);
    }

    #[test]
    fn the_end_drops_what_waits_and_waits_for_what_runs() {
        let lab = Lab::new(1);
        let (running, go) = lab.submit("running");
        let (waiting, _) = lab.submit("waiting");
        assert_eq!(lab.begun(), "running");
        let Lab { pool, names, .. } = lab;
        let ending = std::thread::spawn(move || drop(pool));
        let deadline = Instant::now() + PATIENCE;
        while Arc::strong_count(&waiting) > 1 {
            assert!(Instant::now() < deadline, "it still waits");
            thread::yield_now();
        }
        assert!(!ending.is_finished());
        drop(go);
        ending.join().unwrap();
        assert_eq!(Arc::strong_count(&running), 1);
        assert!(names.try_recv().is_err());
    }
}
