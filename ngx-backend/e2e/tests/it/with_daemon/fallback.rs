//! The resolver that asks the daemon, alone and behind the snapshot.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use backend_e2e::{Process, Setup};
use rustix::process::Signal;
use serde_json::json;
use test_services::wait_for;

use super::{BOTH_WAYS, SOCKET, assert_it_leads_to, setup, start, until_it_leads_to};
use crate::{PATIENCE, with_each};

/// A table that nobody publishes to any more: what came later is a miss there.
const OLD_SNAPSHOT: &str = "set_backend_library /run/nginx/snapshot.so; set_backend_map /run/nginx/old;";

#[test]
fn the_daemon_is_asked_over_its_socket() {
    with_each(&setup(SOCKET), |nginx| {
        assert_eq!(nginx.get("one.test", "/variable/").status, 503, "nobody to ask");
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        daemon.put("one.test", json!("127.0.0.1:8002"));
        until_it_leads_to(nginx, "one.test", "two");
        assert_eq!(nginx.get("unknown.test", "/balanced/").status, 503);
        drop(daemon);
        for path in BOTH_WAYS {
            assert_eq!(nginx.get("other.test", path).status, 503);
        }
        let daemon = start(nginx);
        daemon.put("other.test", json!("127.0.0.1:8003"));
        until_it_leads_to(nginx, "other.test", "three");
    });
}

#[test]
fn the_daemon_is_asked_for_what_the_snapshot_does_not_know() {
    with_each(&setup(&format!("{OLD_SNAPSHOT} {SOCKET}")), |nginx| {
        let daemon = start(nginx);
        // As long as there is no table at all.
        daemon.put("early.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "early.test", "one");
        let path = |name: &str| nginx.folder().join(name);
        wait_for("the publication", PATIENCE, || {
            (daemon.metric("backend_delta_records") >= 1.0).then_some(())
        });
        copy(&path("map"), &path("old"));
        wait_for("the table", PATIENCE, || {
            nginx.get("early.test", "/variable/");
            nginx.log().contains("snapshot: uses publication").then_some(())
        });
        let questions = daemon.metric("backend_questions_total");
        assert_it_leads_to(nginx, "early.test", "one");
        assert_eq!(daemon.metric("backend_questions_total"), questions, "what is known is not asked for");
        daemon.put("late.test", json!([{ "address": "127.0.0.1:8002", "weight": 3 }]));
        until_it_leads_to(nginx, "late.test", "two");
        assert!(daemon.metric("backend_questions_total") > questions);
        assert_eq!(nginx.get("unknown.test", "/variable/").status, 503);
    });
}

#[test]
fn nobody_waits_for_a_daemon_that_does_not_answer_but_those_who_asked_it() {
    with_each(&setup(&format!("{OLD_SNAPSHOT} {SOCKET}")), |nginx| {
        let daemon = start(nginx);
        daemon.put("known.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "known.test", "one");
        wait_for("the publication", PATIENCE, || {
            (daemon.metric("backend_delta_records") >= 1.0).then_some(())
        });
        copy(&nginx.folder().join("map"), &nginx.folder().join("old"));
        wait_for("the table", PATIENCE, || {
            nginx.get("known.test", "/variable/");
            nginx.log().contains("snapshot: uses publication").then_some(())
        });
        daemon.process().stop();
        thread::scope(|scope| {
            let asked = Instant::now();
            let waiting = BOTH_WAYS
                .map(|path| scope.spawn(move || (nginx.get("unknown.test", path).status, asked.elapsed())));
            // The one worker serves others for as long as they wait: at least until the resolver gives the daemon up, after half a second.
            let mut served = 0;
            while asked.elapsed() < Duration::from_millis(400) {
                assert_it_leads_to(nginx, "known.test", "one");
                served += 1;
            }
            assert!(served > 0, "everybody waited");
            for one in waiting {
                let (status, waited) = one.join().unwrap();
                assert_eq!(status, 503);
                assert!(waited >= Duration::from_millis(490), "{waited:?}");
            }
        });
        nginx.wait_for_log("did not answer within 500ms");
        daemon.process().signal(Signal::CONT);
        daemon.put("unknown.test", json!("127.0.0.1:8003"));
        until_it_leads_to(nginx, "unknown.test", "three");
    });
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    // Complete before it has its name.
    let unfinished = to.with_extension("new");
    fs::create_dir(&unfinished).unwrap();
    for file in fs::read_dir(from).unwrap().flatten() {
        fs::copy(file.path(), unfinished.join(file.file_name())).unwrap();
    }
    fs::rename(unfinished, to).unwrap();
}

/// Each worker has its own of everything; the master, which forks them, has nothing.
#[test]
fn the_master_has_no_thread_and_no_file_of_the_resolvers() {
    let resolvers = format!("{} {SOCKET}", super::SNAPSHOT);
    with_each(&Setup { workers: 2, ..setup(&resolvers) }, |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        nginx.reload();
        for mut connection in nginx.connect_to_each_worker() {
            wait_for("the entry", PATIENCE, || {
                (connection.get("one.test", "/balanced/").unwrap().status == 200).then_some(())
            });
        }
        let master = nginx.master();
        assert_eq!(master.threads(), 1);
        let has = |process: &Process, part: &str| process.maps().contains(part);
        assert!(!has(&master, "/map/control") && !has(&master, "/memfd:"), "{}", master.maps());
        for worker in nginx.all_workers() {
            assert!(has(&worker, "/map/control") && has(&worker, "/memfd:"), "{}", worker.maps());
            assert!(worker.threads() > 1, "the one that talks to the daemon");
        }
    });
}
