//! Workers that are killed or stopped, and a master that is.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use forker::status::WorkerState;
use rustix::process::Signal;

use super::client::{How, Load, Manner};
use super::some_more;
use crate::service::{Service, is_running, kill};
use crate::service::{is_settled, until};

const CLIENTS: usize = 4;

/// Kills a worker every 100 ms for 20 s. A request may fail only if it was with a worker at the moment when that was killed: it is cut,
/// never refused, never without an end, and there are never more of them for a kill than there are clients.
fn kill_all_along(strategy: &str) {
    let service = Service::start(&["--strategy", strategy, "--workers", "3"]);
    let load = Load::start(service.tcp(), CLIENTS, Manner::NewConnections);
    some_more(&service, &load, 20);
    let (chance, began) = (RandomState::new(), Instant::now());
    let mut kills = Vec::new();
    let mut in_each_second = Vec::new();
    while began.elapsed() < Duration::from_secs(20) {
        let next = Instant::now() + Duration::from_millis(100);
        let ready: Vec<u32> = service
            .status()
            .workers
            .iter()
            .filter(|worker| worker.state == WorkerState::Ready)
            .map(|worker| worker.pid)
            .collect();
        if !ready.is_empty() {
            let chosen = usize::try_from(chance.hash_one(kills.len()) >> 32).unwrap() % ready.len();
            kills.push(Instant::now());
            kill(ready[chosen], Signal::KILL);
        }
        if began.elapsed().as_secs() as usize > in_each_second.len() {
            in_each_second.push(load.answered());
        }
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    until(&service, "all workers are back", || is_settled(&service, 3));
    let tally = load.end();
    let log = service.log();
    assert!(kills.len() > 50, "{} kills\n{log}", kills.len());
    assert!(in_each_second.is_sorted_by(|one, next| one < next), "it did not answer all along\n{log}");
    for failure in &tally.failures {
        let is_cut = matches!(failure.how, How::Cut(_));
        // The kernel closes a killed worker's connections a moment after the kill.
        let within = kills.iter().any(|&kill| failure.began <= kill + MOMENT && kill <= failure.ended);
        assert!(is_cut && within, "{failure:?} at {:?}\n{log}", failure.began - began);
    }
    for kill in &kills {
        let with =
            |failure: &&super::client::Failure| failure.began <= *kill + MOMENT && *kill <= failure.ended;
        let lost = tally.failures.iter().filter(with).count();
        assert!(lost <= CLIENTS, "{lost} requests for one kill\n{log}");
    }
    let (answered, lost) = (tally.answered, tally.failures.len());
    eprintln!(
        "{strategy}: {} kills, {answered} requests answered, {lost} lost with their worker",
        kills.len()
    );
}

const MOMENT: Duration = Duration::from_millis(50);

#[test]
fn kills_lose_only_what_the_killed_had_accepted_where_each_worker_has_a_queue() {
    kill_all_along("reuseport");
}

#[test]
fn kills_lose_only_what_the_killed_had_accepted_where_workers_share_a_queue() {
    kill_all_along("inherit");
}

/// A stopped worker neither accepts nor answers; what waits at its socket is answered by the next.
#[test]
fn a_stopped_worker_is_replaced_and_what_waited_for_it_is_answered() {
    let beats = ["--heartbeat-interval", "0.1", "--heartbeat-timeout", "1.5"];
    let service = Service::start(&[&["--workers", "2"][..], &beats].concat());
    let load = Load::start(service.tcp(), CLIENTS, Manner::NewConnections);
    some_more(&service, &load, 20);
    let stopped = service.status().workers[0].pid;
    kill(stopped, Signal::STOP);
    until(&service, "it is replaced", || !is_running(stopped) && is_settled(&service, 2));
    some_more(&service, &load, 20);
    let tally = load.end();
    assert!(tally.failures.len() <= CLIENTS, "{:?}\n{}", tally.failures, service.log());
    let cut = tally.failures.iter().all(|failure| matches!(failure.how, How::Cut(_)));
    assert!(cut, "{:?}\n{}", tally.failures, service.log());
}

#[test]
fn workers_of_a_killed_master_are_gone_within_a_second_and_the_port_is_free() {
    for strategy in ["reuseport", "inherit"] {
        let service = Service::start(&["--strategy", strategy, "--workers", "3"]);
        let address = service.tcp();
        let load = Load::start(address, CLIENTS, Manner::NewConnections);
        some_more(&service, &load, 20);
        let workers: Vec<u32> = service.status().workers.iter().map(|worker| worker.pid).collect();
        let killed = Instant::now();
        kill(service.pid(), Signal::KILL);
        until(&service, "all gone", || !workers.iter().any(|&pid| is_running(pid)));
        assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
        // Before the port is tried: a client of a port where nobody listens may get connected to itself, and then has it.
        load.end();
        TcpListener::bind(address).unwrap();
    }
}
