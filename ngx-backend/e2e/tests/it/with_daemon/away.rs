//! The daemon ends, in an orderly way or not, and nginx goes on.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;
use serde_json::json;
use test_services::wait_for;

use super::{BOTH_WAYS, SNAPSHOT, SOCKET, assert_it_leads_to, setup, start, until_it_leads_to};
use crate::{PATIENCE, SetWhenDropped, lines_with, with_each};

#[test]
fn nginx_goes_on_while_the_daemon_is_away() {
    with_each(&setup(&format!("{SNAPSHOT} {SOCKET}")), |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        let worker = nginx.workers()[0].pid;
        // Though resolvers are connected to it.
        assert_eq!(daemon.end_by(Signal::TERM).code(), Some(0));
        let lines_before = nginx.log().lines().count();
        for _ in 0..100 {
            assert_it_leads_to(nginx, "one.test", "one");
            assert_eq!(nginx.get("unknown.test", "/variable/").status, 503);
            assert_eq!(nginx.send("GET /balanced/ HTTP/1.0\r\n\r\n").status, 503);
        }
        let log = nginx.log();
        let of_requests = |line: &&str| !line.contains("[info]");
        let lines: Vec<_> = log.lines().skip(lines_before).filter(of_requests).collect();
        assert!(lines.len() < 10, "the log grows with the requests: {lines:#?}");
        assert_eq!(nginx.workers()[0].pid, worker, "no worker has died of it");
        nginx.reload();
        until_it_leads_to(nginx, "one.test", "one");

        let daemon = start(nginx);
        assert_it_leads_to(nginx, "one.test", "one");
        daemon.put("one.test", json!("127.0.0.1:8002"));
        until_it_leads_to(nginx, "one.test", "two");
    });
}

/// Several rounds of a storm of changes, each ended by SIGKILL in its middle.
#[test]
fn acknowledged_changes_survive_a_kill_in_a_storm_and_nginx_answers_meanwhile() {
    // Those who write at once share a wait for the disk, which may take a second on a busy machine.
    const WRITERS: usize = 8;
    const CHANGES_A_ROUND: usize = 64;
    with_each(&setup(SNAPSHOT), |nginx| {
        let mut daemon = start(nginx);
        daemon.put("steady.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "steady.test", "one");
        let acknowledged = Mutex::new(BTreeMap::new());
        let (next, served, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let _lasting = SetWhenDropped(&over);
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    for path in BOTH_WAYS {
                        let answer = nginx.get("steady.test", path);
                        assert!(answer.body.starts_with("one "), "{answer:?}");
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            for round in 1..=3 {
                let (before, served_before) =
                    (acknowledged.lock().unwrap().len(), served.load(Ordering::SeqCst));
                let round_over = AtomicBool::new(false);
                thread::scope(|scope| {
                    let _lasting = SetWhenDropped(&round_over);
                    for _ in 0..WRITERS {
                        scope.spawn(|| {
                            while !round_over.load(Ordering::SeqCst) {
                                let number = next.fetch_add(1, Ordering::SeqCst);
                                let host = format!("h{number}.test");
                                let backend = format!("127.0.0.1:{}", 8001 + number % 3);
                                let body = json!({ "host": host, "backend": backend }).to_string();
                                let answer = daemon.try_ask("POST", "/entries.json", &body);
                                if answer.is_ok_and(|answer| answer.status == 201) {
                                    acknowledged.lock().unwrap().insert(host, number % 3);
                                }
                            }
                        });
                    }
                    wait_for("a storm", PATIENCE, || {
                        (acknowledged.lock().unwrap().len() >= before + CHANGES_A_ROUND).then_some(())
                    });
                    daemon.process().signal(Signal::KILL);
                });
                wait_for("requests while the daemon is away", PATIENCE, || {
                    (served.load(Ordering::SeqCst) >= served_before + 20).then_some(())
                });
                daemon.await_end();
                daemon = start(nginx);
                // What it knew is published before it says that it is well.
                let mut connection = nginx.connect_to_each_worker().remove(0);
                for (host, name) in acknowledged.lock().unwrap().iter() {
                    let name = ["one ", "two ", "three "][*name];
                    let answer = connection.get(host, "/balanced/").unwrap();
                    assert!(answer.body.starts_with(name), "round {round}, {host}: {answer:?}");
                }
            }
        });
        let log = daemon.log();
        assert!(lines_with(&log, "level=error").is_empty(), "{log}");
    });
}
