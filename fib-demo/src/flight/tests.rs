use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::stats::ComputeState;

const PATIENCE: Duration = Duration::from_secs(30);

/// Computations say that they begin and then do what they are told, or end when they are cancelled.
struct Lab {
    flights: Arc<Flights>,
    stats: Arc<ComputeStats>,
    begun: Receiver<u8>,
    tell: Sender<Told>,
}

enum Told {
    End(u64),
    Panic,
}

impl Lab {
    fn new(threads: usize) -> Self {
        let (say, begun) = channel();
        let (tell, told) = channel();
        let (say, told) = (Mutex::new(say), Mutex::new(told));
        let compute = move |n: Index, cancelled: &AtomicBool| {
            say.lock().unwrap().send(n.get()).unwrap();
            loop {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(Cancelled);
                }
                match told.lock().unwrap_or_else(PoisonError::into_inner).try_recv() {
                    Ok(Told::End(value)) => return Ok(value),
                    Ok(Told::Panic) => panic!("the computation was told to"),
                    Err(_) => std::thread::yield_now(),
                }
            }
        };
        let stats = Arc::new(ComputeStats::new());
        let threads = NonZeroUsize::new(threads).unwrap();
        let flights =
            Flights::start(threads, Arc::clone(&stats), Box::new(compute), Box::new(|_, _| {})).unwrap();
        Self { flights, stats, begun, tell }
    }

    fn join(&self, n: &str) -> Waiter {
        match self.flights.join(n.parse().unwrap(), self.flights.now()) {
            Joined::Waiting(waiter) => waiter,
            Joined::Landed(value) => panic!("{value} was there already"),
        }
    }

    fn tell(&self, told: Told) {
        self.tell.send(told).unwrap();
    }

    fn begun(&self) -> u8 {
        self.begun.recv_timeout(PATIENCE).unwrap()
    }

    /// The counts, as soon as this is true of them.
    fn wait_for(&self, what: impl Fn(&ComputeState) -> bool) -> ComputeState {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.stats.state();
            if what(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{state:?}");
            std::thread::yield_now();
        }
    }
}

fn wait(waiter: Waiter) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, waiter.landing()).await }).unwrap()
}

#[test]
fn a_hundred_who_want_one_number_have_it_computed_once() {
    let lab = Lab::new(2);
    let waiters: Vec<Waiter> = (0..100).map(|_| lab.join("40")).collect();
    assert_eq!(lab.begun(), 40);
    lab.tell(Told::End(7));
    for waiter in waiters {
        assert_eq!(wait(waiter), Ok(7));
    }
    assert_eq!(lab.wait_for(|state| state.computed == 1).begun, 1);
    assert_eq!(lab.flights.load().0, 0);
}

#[test]
fn different_numbers_are_computed_at_the_same_time() {
    let lab = Lab::new(2);
    let _waiters = [lab.join("1"), lab.join("2"), lab.join("3")];
    let mut begun = [lab.begun(), lab.begun()];
    begun.sort_unstable();
    assert_eq!((begun, lab.flights.load()), ([1, 2], (1, 2)));
}

#[test]
fn a_computation_goes_on_while_somebody_waits_and_ends_with_the_last() {
    let lab = Lab::new(1);
    let (first, second) = (lab.join("40"), lab.join("40"));
    assert_eq!(lab.begun(), 40);
    drop(first);
    assert_eq!(lab.stats.state().cancelled, 0);
    lab.tell(Told::End(1));
    assert_eq!(wait(second), Ok(1));

    let (first, second) = (lab.join("41"), lab.join("41"));
    assert_eq!(lab.begun(), 41);
    drop(first);
    drop(second);
    let state = lab.wait_for(|state| state.cancelled == 1);
    assert_eq!((state.begun, state.computed), (2, 1));
}

#[test]
fn a_future_that_is_dropped_gives_its_place_up() {
    let lab = Lab::new(1);
    let mut waiting = Box::pin(lab.join("40").landing());
    assert_eq!(lab.begun(), 40);
    assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    drop(waiting);
    lab.wait_for(|state| state.cancelled == 1);
}

#[test]
fn who_comes_after_the_cancellation_begins_anew() {
    let lab = Lab::new(2);
    drop(lab.join("40"));
    let again = lab.join("40");
    // The first may have been taken out of the queue before it began.
    let state = lab.wait_for(|state| state.cancelled + state.withdrawn == 1);
    assert!(state.begun <= 2);
    lab.tell(Told::End(5));
    assert_eq!(wait(again), Ok(5));
}

#[test]
fn what_waits_for_a_thread_and_nobody_wants_is_never_begun() {
    let lab = Lab::new(1);
    let running = lab.join("1");
    assert_eq!(lab.begun(), 1);
    let unwanted = lab.join("2");
    let wanted = lab.join("3");
    assert_eq!(lab.flights.load(), (2, 1));
    drop(unwanted);
    assert_eq!((lab.flights.load(), lab.stats.state().withdrawn), ((1, 1), 1));
    lab.tell(Told::End(10));
    assert_eq!(wait(running), Ok(10));
    assert_eq!(lab.begun(), 3);
    lab.tell(Told::End(30));
    assert_eq!(wait(wanted), Ok(30));
    assert_eq!(lab.stats.state().begun, 2);
}

#[test]
fn who_was_under_way_when_a_number_landed_takes_it_and_who_comes_later_does_not() {
    let lab = Lab::new(1);
    let early = lab.flights.now();
    let waiter = lab.join("40");
    assert_eq!(lab.begun(), 40);
    lab.tell(Told::End(9));
    assert_eq!(wait(waiter), Ok(9));
    let n = "40".parse().unwrap();
    assert!(matches!(lab.flights.join(n, early), Joined::Landed(9)));
    assert!(matches!(lab.flights.join(n, lab.flights.now()), Joined::Waiting(_)));
}

#[test]
fn a_panic_is_an_error_for_those_who_wait_and_the_next_is_computed() {
    let lab = Lab::new(1);
    let waiters = [lab.join("40"), lab.join("40")];
    assert_eq!(lab.begun(), 40);
    lab.tell(Told::Panic);
    for waiter in waiters {
        assert_eq!(wait(waiter), Err(Failed));
    }
    let next = lab.join("40");
    assert_eq!(lab.begun(), 40);
    lab.tell(Told::End(3));
    assert_eq!(wait(next), Ok(3));
    let state = lab.wait_for(|state| state.computed == 1);
    assert_eq!((state.begun, state.failed), (2, 1));
}

#[test]
fn the_end_stops_what_runs() {
    let lab = Lab::new(1);
    let waiter = lab.join("93");
    assert_eq!(lab.begun(), 93);
    // The last who know of them are those who wait.
    drop(lab.flights);
    drop(waiter);
    assert_eq!(lab.stats.state().cancelled, 1);
}
