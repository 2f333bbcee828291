//! More and fewer workers.

use rustix::process::Signal;

use super::client::{Load, Manner};
use super::some_more;
use crate::service::Service;
use crate::service::{is_settled, until};

fn come_and_go(strategy: &str) {
    let service = Service::start(&["--strategy", strategy, "--workers", "2"]);
    let load = Load::start(service.tcp(), 4, Manner::NewConnections);
    let mut workers = 2;
    for step in [1, 1, -1, -1, -1, 1, 1, -1, 1, -1, -1, 1] {
        some_more(&service, &load, 20);
        service.signal(if step > 0 { Signal::TTIN } else { Signal::TTOU });
        workers = usize::try_from(workers as i32 + step).unwrap();
        until(&service, "another number of workers", || {
            service.status().workers_wanted == workers && is_settled(&service, workers)
        });
    }
    some_more(&service, &load, 20);
    load.end().assert_none_failed(&service);
}

#[test]
fn workers_come_and_go_and_no_request_fails_where_each_has_a_queue() {
    come_and_go("reuseport");
}

#[test]
fn workers_come_and_go_and_no_request_fails_where_they_share_a_queue() {
    come_and_go("inherit");
}
