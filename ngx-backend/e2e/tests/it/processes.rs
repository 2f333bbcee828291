//! What runs where: nothing before the fork, and everything again in each worker.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use backend_e2e::Setup;
use rustix::process::Signal;
use serde_json::json;
use test_services::wait_for;

use crate::{PATIENCE, SetWhenDropped, with_each};

#[test]
fn the_master_has_nothing_of_the_resolver() {
    let setup = Setup { workers: 2, ..Setup::default() }
        .with_host("later.test", json!({ "after_ms": 20, "upstreams": [["127.0.0.1:8001", 1]] }));
    with_each(&setup, |nginx| {
        assert!(nginx.get("later.test", "/balanced/").body.starts_with("one "));
        nginx.reload();
        assert!(nginx.get("later.test", "/balanced/").body.starts_with("one "));
        let master = nginx.master();
        assert_eq!(master.threads(), 1);
        // The plugin is a sealed copy in memory wherever it is loaded.
        assert!(!master.maps().contains("/memfd:"), "{}", master.maps());
        assert!(
            !master.descriptors().iter().any(|target| target.contains("eventfd") || target.contains("memfd"))
        );
        for worker in nginx.all_workers() {
            assert!(worker.maps().contains("/memfd:"), "{}", worker.maps());
        }
    });
}

#[test]
fn it_works_as_a_daemon() {
    let setup = Setup { daemon: true, ..Setup::default() }
        .with_host("later.test", json!({ "after_ms": 20, "upstreams": [["127.0.0.1:8001", 1]] }));
    with_each(&setup, |nginx| {
        assert!(nginx.get("one.test", "/variable/").body.starts_with("one "));
        assert!(nginx.get("later.test", "/variable/").body.starts_with("one "));
        assert!(nginx.get("later.test", "/balanced/").body.starts_with("one "));
        assert_eq!(nginx.master().threads(), 1);
    });
}

#[test]
fn it_works_in_a_single_process() {
    let setup = Setup { main: "master_process off;".to_owned(), ..Setup::default() }
        .with_host("later.test", json!({ "after_ms": 20, "upstreams": [["127.0.0.1:8001", 1]] }));
    with_each(&setup, |nginx| {
        assert!(nginx.get("one.test", "/variable/").body.starts_with("one "));
        assert!(nginx.get("later.test", "/balanced/").body.starts_with("one "));
    });
}

#[test]
fn a_worker_that_dies_is_replaced_with_all_it_had() {
    with_each(&Setup::default(), |nginx| {
        let worker = nginx.workers()[0].clone();
        worker.signal(Signal::KILL);
        wait_for("another worker", PATIENCE, || {
            nginx.workers().first().is_some_and(|other| other.pid != worker.pid).then_some(())
        });
        assert!(nginx.get("one.test", "/variable/").body.starts_with("one "));
        assert!(nginx.get("two.test", "/balanced/").body.starts_with("two "));
        // The kill is the one thing that the log should complain of.
        let log = nginx.log();
        assert!(log.contains("exited on signal 9"), "{log}");
        std::fs::write(nginx.folder().join("error.log"), "").unwrap();
    });
}

#[test]
fn reloads_under_load_lose_no_request() {
    let setup = Setup { workers: 2, ..Setup::default() }
        .with_host("later.test", json!({ "after_ms": 5, "upstreams": [["127.0.0.1:8002", 1]] }));
    with_each(&setup, |nginx| {
        let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let lasting = SetWhenDropped(&over);
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        for (host, path, expected) in [
                            ("one.test", "/variable/", "one "),
                            ("one.test", "/balanced/", "one "),
                            ("later.test", "/balanced/", "two "),
                            ("later.test", "/variable/", "two "),
                        ] {
                            let answer = nginx.get(host, path);
                            assert!(answer.body.starts_with(expected), "{answer:?}");
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            for _ in 0..10 {
                let before = served.load(Ordering::SeqCst);
                nginx.reload();
                wait_for("requests after a reload", PATIENCE, || {
                    (served.load(Ordering::SeqCst) >= before + 20).then_some(())
                });
            }
            drop(lasting);
        });
    });
}

/// Why all of the above: what the original of this module did.
#[test]
fn a_library_loaded_before_the_fork_hangs_its_workers() {
    let setup = Setup::default()
        .with_host("thread.test", json!({ "does": "ask-thread", "upstreams": [["127.0.0.1:8001", 1]] }));
    with_each(&setup, |nginx| {
        assert!(nginx.get("thread.test", "/balanced/").body.starts_with("one "));
        assert_eq!(nginx.master().threads(), 1);
    });
    with_each(&Setup { loads_before_fork: true, ..setup }, |nginx| {
        assert!(nginx.get("one.test", "/balanced/").body.starts_with("one "));
        assert_eq!(nginx.master().threads(), 2, "the thread is where nobody asks it");
        let patience = Duration::from_millis(500);
        assert!(nginx.leaves_waiting("thread.test", "/balanced/", patience));
        assert!(nginx.leaves_waiting("one.test", "/ready", patience), "and with it everybody else");
    });
}
