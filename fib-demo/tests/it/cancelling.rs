//! What becomes of computations that nobody waits for.

use std::time::{Duration, Instant};

use crate::lab::{PATIENCE, Program, read};

const CANCELLED: &str = r#"computations_ended_total{outcome="cancelled"}"#;

/// Processor time that the program takes in some of the clock's.
fn cpu_share(program: &Program) -> f64 {
    let (before, began) = (program.cpu_time(), Instant::now());
    // A measurement over time, and not a wait for anything.
    std::thread::sleep(Duration::from_millis(500));
    (program.cpu_time() - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// The original goes on computing: 300 cancelled requests leave 212 tasks that never end.
#[test]
fn three_hundred_cancelled_requests_leave_nothing_that_computes() {
    let program = Program::start(&[]);
    // As many numbers as there are that would take minutes and more, several times each.
    let asked: Vec<_> = (0..300).map(|number| program.ask(&format!("/fib/{}", 60 + number % 34))).collect();
    program.wait_for_metric("requests_waiting", |waiting| waiting == 300);
    let before = program.cpu_time();
    let computes = || (program.cpu_time() > before + Duration::from_millis(300)).then_some(());
    test_services::wait_for("time that computing takes", PATIENCE, computes);
    drop(asked);
    program.wait_for_metric("requests_waiting", |waiting| waiting == 0);

    let began = Instant::now();
    assert_eq!(program.get("/fib/20").body, r#"{"result": 6765}"#);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    program.wait_for_metric("computations_running", |running| running == 0);
    assert_eq!(program.metric("computations_queued"), 0);
    let share = cpu_share(&program);
    assert!(share < 0.1, "{share} of a core is still busy");
    assert_eq!(program.metric(CANCELLED) + program.metric("computations_withdrawn_total"), 34);
}

#[test]
fn a_computation_stops_within_milliseconds() {
    let program = Program::start(&["--compute-threads", "1"]);
    let fastest = (0..10).map(|_| {
        let asked = program.ask("/fib/93");
        program.wait_for_metric("computations_running", |running| running == 1);
        let left = Instant::now();
        drop(asked);
        program.wait_for_metric("computations_running", |running| running == 0);
        left.elapsed()
    });
    // By the fastest, as what else the machine does delays the others; two questions to the admin side are in it.
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    assert_eq!(program.metric(CANCELLED), 10);
}

#[test]
fn a_computation_goes_on_for_whoever_stays() {
    let program = Program::start(&["--compute-threads", "1"]);
    let [leaves, stays] = [program.ask("/fib/41"), program.ask("/fib/41")];
    program.wait_for_metric("requests_waiting", |waiting| waiting == 2);
    drop(leaves);
    program.wait_for_metric("requests_waiting", |waiting| waiting <= 1);
    assert_eq!(read(stays).body, r#"{"result": 165580141}"#);
    assert_eq!((program.metric(CANCELLED), program.metric("computations_begun_total")), (0, 1));
}

#[test]
fn what_only_waits_for_a_thread_is_not_begun_for_nobody() {
    let program = Program::start(&["--compute-threads", "1"]);
    let running = program.ask("/fib/93");
    program.wait_for_metric("computations_running", |running| running == 1);
    let queued = program.ask("/fib/92");
    program.wait_for_metric("computations_queued", |queued| queued == 1);
    drop(queued);
    program.wait_for_metric("computations_withdrawn_total", |withdrawn| withdrawn == 1);
    drop(running);
    program.wait_for_metric(CANCELLED, |cancelled| cancelled == 1);
    assert_eq!(program.metric("computations_begun_total"), 1);
}
