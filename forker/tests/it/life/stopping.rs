//! The end of a service.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{FaultFile, half_a_request, other_half};
use crate::service::{Service, is_running};

const OFTEN: [&str; 2] = ["--heartbeat-interval", "0.05"];

/// The original killed its own process only, and its children kept the port.
#[test]
fn a_stop_lets_requests_end_and_leaves_nothing_behind() {
    for (strategy, signal) in [("reuseport", Signal::TERM), ("inherit", Signal::INT)] {
        let flags = ["--strategy", strategy, "--workers", "2"];
        let mut service = Service::start(&[&flags[..], &OFTEN].concat());
        let (pids, address) = (service.settled(2), service.tcp());
        let request = half_a_request(&service);
        service.signal(signal);
        service.until("one worker has ended", || pids.iter().any(|pid| !is_running(*pid)));
        let answer = other_half(request);
        assert!(answer.ends_with("greeting!!!") && answer.contains("connection: close"), "{answer}");
        assert_eq!(service.ended().code(), Some(0), "{}", service.log());
        assert!(!pids.iter().any(|pid| is_running(*pid)));
        TcpListener::bind(address).unwrap();
        assert!(!service.socket().exists());
    }
}

/// A terminal sends its signals to master and workers alike.
#[test]
fn an_interrupt_from_the_terminal_lets_requests_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(&folder, &[&["--workers", "2"][..], &OFTEN].concat());
    command.process_group(0);
    let mut service = Service::begin(folder, command);
    let pids = service.settled(2);
    let request = half_a_request(&service);
    let group = Pid::from_raw(service.pid().try_into().unwrap()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    service.until("one worker has ended", || pids.iter().any(|pid| !is_running(*pid)));
    assert!(other_half(request).ends_with("greeting!!!"));
    assert_eq!(service.ended().code(), Some(0), "{}", service.log());
}

#[test]
fn a_worker_that_never_finishes_is_killed_at_the_deadline() {
    let fault = FaultFile::new("never-finish");
    let mut service = Service::start(&["--workers", "2", "--graceful-deadline", "0.5", &fault.flag()]);
    service.settled(2);
    let began = Instant::now();
    service.signal(Signal::TERM);
    assert_eq!(service.ended().code(), Some(0), "{}", service.log());
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert_eq!(service.log().matches("did not finish within the deadline").count(), 2, "{}", service.log());
}

#[test]
fn a_second_signal_or_quit_ends_at_once() {
    for signals in [&[Signal::TERM, Signal::TERM][..], &[Signal::TERM, Signal::INT], &[Signal::QUIT]] {
        let fault = FaultFile::new("never-finish");
        let mut service = Service::start(&["--workers", "2", "--graceful-deadline", "3600", &fault.flag()]);
        let pids = service.settled(2);
        for (number, signal) in signals.iter().enumerate() {
            service.signal(*signal);
            if number + 1 < signals.len() {
                service.until("it is stopping", || service.log().contains("stopping"));
            }
        }
        assert_eq!(service.ended().code(), Some(0), "{}", service.log());
        assert!(!pids.iter().any(|pid| is_running(*pid)));
    }
}

#[test]
fn what_waits_to_be_accepted_when_the_service_stops_is_answered() {
    let mut service = Service::start(&["--workers", "1"]);
    service.settled(1);
    let requests: Vec<_> = (0..20).map(|_| super::connect(&service)).collect();
    service.signal(Signal::TERM);
    for mut request in requests {
        std::io::Write::write_all(&mut request, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let answer = super::rest(request);
        assert!(answer.ends_with("greeting!!!"), "{answer}");
    }
    assert_eq!(service.ended().code(), Some(0), "{}", service.log());
}
