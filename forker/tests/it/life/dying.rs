//! Workers that die, one after the other, or again and again.

use rustix::process::Signal;

use super::{FaultFile, ask, children};
use crate::service::{Service, is_running, kill};

/// The original's worst fault: the second death of a child ended its service.
#[test]
fn a_second_death_and_a_third_are_made_good() {
    for strategy in ["reuseport", "inherit"] {
        let service = Service::start(&["--strategy", strategy, "--workers", "2"]);
        let mut pids = service.settled(2);
        for turn in 0..6 {
            let victim = pids[turn % 2];
            kill(victim, Signal::KILL);
            service.until("it is gone", || !is_running(victim));
            assert!(ask(&service).ends_with("greeting!!!"));
            pids = service.settled(2);
            assert!(!pids.contains(&victim));
            assert_eq!(children(service.pid()), {
                let mut pids = pids.clone();
                pids.sort_unstable();
                pids
            });
        }
        let restarts: Vec<_> = service.status().workers.iter().map(|worker| worker.restarts).collect();
        assert_eq!(restarts, [3, 3]);
        assert_eq!(service.status().workers[0].last_exit.as_deref(), Some("SIGKILL"));
    }
}

#[test]
fn deaths_again_and_again_end_the_master_and_are_named() {
    let fault = FaultFile::new("");
    let mut service = Service::start(&["--workers", "2", "--most-deaths", "3", &fault.flag()]);
    let pids = service.settled(2);
    fault.set("exit-when-ready");
    kill(pids[0], Signal::KILL);
    let status = service.ended();
    assert_eq!(status.code(), Some(3), "{}", service.log());
    let sentence = "4 deaths of workers within 60s: 4 × exit code 1: told to exit when ready (worker 0)";
    assert!(service.log().contains(sentence), "{}", service.log());
    assert!(!is_running(pids[1]));
}

#[test]
fn a_worker_whose_loop_is_stuck_is_replaced_though_its_process_lives() {
    let fault = FaultFile::new("");
    let beats = ["--heartbeat-interval", "0.1", "--heartbeat-timeout", "1.5"];
    let flag = fault.flag();
    let service = Service::start(&[&["--workers", "1", &flag][..], &beats].concat());
    let first = service.settled(1)[0];
    fault.set("stuck-loop");
    kill(first, Signal::KILL);
    service.until("the next one is there", || service.ready().first().is_some_and(|pid| *pid != first));
    fault.set("");
    let stuck = service.ready()[0];
    service.until("it is gone", || !is_running(stuck));
    service.settled(1);
    let last = service.status().workers[0].last_exit.clone().unwrap();
    assert_eq!(last, "no heartbeat for 1.5s, killed");
    assert!(ask(&service).ends_with("greeting!!!"));
}

#[test]
fn a_worker_that_is_told_to_end_finishes_and_is_replaced() {
    let service = Service::start(&["--workers", "1", "--heartbeat-interval", "0.05"]);
    let first = service.settled(1)[0];
    let request = super::half_a_request(&service);
    kill(first, Signal::TERM);
    let answer = super::other_half(request);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("greeting!!!"), "{answer}");
    service.until("another serves", || service.ready().first().is_some_and(|pid| *pid != first));
    assert!(ask(&service).ends_with("greeting!!!"));
}
