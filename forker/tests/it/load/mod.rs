//! A service under load, while things happen to it.

mod client;
mod deaths;
mod limits;
mod resizing;

use client::{Load, Manner};
use rustix::process::Signal;

use crate::service::{self, Service, is_settled, until};

/// So many more requests are answered.
#[track_caller]
fn some_more(service: &Service, load: &Load, count: u64) {
    let before = load.answered();
    until(service, "more answers", || load.answered() >= before + count);
}

fn reload_ten_times(strategy: &str, manner: Manner) {
    let service = Service::start(&["--strategy", strategy, "--workers", "3"]);
    let load = Load::start(service.tcp(), 4, manner);
    some_more(&service, &load, 20);
    for round in 2..12 {
        service.signal(Signal::HUP);
        until(&service, "a reload", || service.status().generation == round && is_settled(&service, 3));
        some_more(&service, &load, 20);
    }
    load.end().assert_none_failed(&service);
}

#[test]
fn ten_reloads_fail_no_request_where_each_worker_has_a_queue() {
    reload_ten_times("reuseport", Manner::NewConnections);
}

#[test]
fn ten_reloads_fail_no_request_where_workers_share_a_queue() {
    reload_ten_times("inherit", Manner::NewConnections);
}

#[test]
fn ten_reloads_fail_no_request_on_connections_that_are_kept() {
    reload_ten_times("reuseport", Manner::KeepAlive);
}

fn hand_over(strategy: &str) {
    let mut service = Service::start(&["--strategy", strategy, "--workers", "3"]);
    let load = Load::start(service.tcp(), 4, Manner::NewConnections);
    for _ in 0..3 {
        some_more(&service, &load, 20);
        let former = service.status().pid;
        service.signal(Signal::USR2);
        until(&service, "another master", || {
            service.status().pid != former && is_settled(&service, 3) && !service::is_running(former)
        });
        service.follow();
    }
    some_more(&service, &load, 20);
    load.end().assert_none_failed(&service);
}

#[test]
fn a_new_master_takes_over_and_no_request_fails_where_each_worker_has_a_queue() {
    hand_over("reuseport");
}

#[test]
fn a_new_master_takes_over_and_no_request_fails_where_workers_share_a_queue() {
    hand_over("inherit");
}
