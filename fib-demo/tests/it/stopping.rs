//! The end, as SIGTERM asks for it.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::lab::{PATIENCE, Program, plugin, read};

/// The original dies at once, and with it what it has begun.
#[test]
fn what_is_under_way_is_answered_and_nothing_more_is_taken() {
    for signal in [Signal::TERM, Signal::INT] {
        let program = Program::start(&[&plugin("memory-cache")]);
        let asked = program.ask("/fib/42");
        program.wait_for_metric("computations_running", |running| running == 1);
        program.signal(signal);
        test_services::wait_for("the news", PATIENCE, || {
            (program.admin("/healthz").status == 503).then_some(())
        });
        let answer = read(asked);
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"result": 267914296}"#));
        let address = program.address;
        let (status, log) = program.wait();
        assert!(status.success(), "{status}:\n{log}");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn what_takes_longer_than_the_deadline_is_cut_off() {
    let program = Program::start(&["--shutdown-deadline", "200ms"]);
    let asked = [program.ask("/fib/93"), program.ask("/fib/92"), program.ask("/fib/91")];
    program.wait_for_metric("requests_waiting", |waiting| waiting == 3);
    let told = Instant::now();
    program.signal(Signal::TERM);
    let (status, log) = program.wait();
    assert!(status.success(), "{status}:\n{log}");
    assert!(told.elapsed() >= Duration::from_millis(200) && told.elapsed() < PATIENCE / 2);
    drop(asked);
}

#[test]
fn a_plugin_that_does_not_end_is_left_behind() {
    let program = Program::start(&[&plugin("moody-cache"), "--cache-plugin-factory-name", "stays"]);
    assert_eq!(program.get("/fib/20").body, r#"{"result": 6765}"#);
    assert!(program.stop().contains("the cache plugin did not end within 2s"));
}
