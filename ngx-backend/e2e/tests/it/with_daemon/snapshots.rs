//! Publications that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use backend_e2e::Nginx;
use rustix::process::Signal;
use serde_json::json;
use test_services::wait_for;

use super::{BOTH_WAYS, SNAPSHOT, assert_it_leads_to, setup, start, until_it_leads_to};
use crate::{PATIENCE, lines_with, with_each};

/// The published file whose name begins so.
fn published(nginx: &Nginx, name: &str) -> PathBuf {
    let files = fs::read_dir(nginx.folder().join("map")).unwrap().flatten().map(|file| file.path());
    let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(name);
    files.into_iter().find(is_it).unwrap_or_else(|| panic!("no {name} is published"))
}

/// Puts other bytes in its place, as a publisher would, or takes it away.
fn spoil(path: &Path, spoilt: Option<Vec<u8>>) {
    let beside = path.with_file_name("beside");
    match spoilt {
        Some(bytes) => fs::write(&beside, bytes).and_then(|()| fs::rename(beside, path)).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
}

/// Which file, what is done to it, and what the log says of it.
type Case = (&'static str, fn(Vec<u8>) -> Option<Vec<u8>>, &'static str);

const CASES: [Case; 11] = [
    ("delta", |_| None, "cannot open /run/nginx/map/delta: No such file or directory"),
    ("delta", |bytes| Some(bytes[..100].to_vec()), "/run/nginx/map/delta cannot be used: "),
    ("delta", |_| Some(Vec::new()), "/run/nginx/map/delta cannot be used: "),
    ("delta", |bytes| Some(changed(bytes, 200)), "/run/nginx/map/delta cannot be used: it is garbled"),
    ("delta", |bytes| Some(changed(bytes, 12)), "/run/nginx/map/delta cannot be used: it has format version"),
    ("base-", |_| None, "cannot open /run/nginx/map/base-"),
    ("base-", |bytes| Some(bytes[..bytes.len() - 1].to_vec()), " cannot be used: "),
    ("base-", |bytes| Some(changed(bytes, 200)), " cannot be used: it is garbled"),
    ("control", |_| None, "/run/nginx/map/control: No such file or directory"),
    ("control", |bytes| Some(bytes[..100].to_vec()), "/run/nginx/map/control: it is shorter than 4096 bytes"),
    ("control", |bytes| Some(changed(bytes, 8)), "/run/nginx/map/control: it has format version"),
];

fn changed(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 0x20;
    bytes
}

#[test]
fn workers_that_find_a_bad_table_say_so_and_the_next_good_one_is_taken() {
    with_each(&setup(SNAPSHOT), |nginx| {
        start(nginx).put("one.test", json!("127.0.0.1:8001"));
        for (name, spoilt, said) in CASES {
            // Each daemon publishes all it knows when it starts.
            let daemon = start(nginx);
            until_it_leads_to(nginx, "one.test", "one");
            drop(daemon);
            let worker = nginx.workers()[0].pid;
            let path = published(nginx, name);
            spoil(&path, spoilt(fs::read(&path).unwrap()));
            // Nobody told the worker that anything has changed; whatever it finds out by itself, it goes on.
            (0..20).for_each(|_| assert_it_leads_to(nginx, "one.test", "one"));
            assert_eq!(nginx.workers()[0].pid, worker, "{name}");

            // A worker that starts now has nothing else.
            nginx.reload();
            nginx.all_workers();
            let lines = || lines_with(&nginx.log(), "snapshot: has no table to look up in: ").join("\n");
            let is_told = |line: &str| line.contains(said);
            wait_for(said, PATIENCE, || lines().lines().last().is_some_and(is_told).then_some(()));
            let before = lines().lines().count();
            for path in BOTH_WAYS {
                (0..20).for_each(|_| assert_eq!(nginx.get("one.test", path).status, 503, "{name}"));
            }
            assert_eq!(lines().lines().count(), before, "told once: {}", lines());
        }
        let _daemon = start(nginx);
        until_it_leads_to(nginx, "one.test", "one");
    });
}

#[test]
fn the_last_good_table_stays_while_bad_ones_are_published() {
    with_each(&setup(SNAPSHOT), |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        drop(daemon);
        let worker = nginx.workers()[0].clone();
        for (name, spoilt, said) in CASES {
            // A daemon publishes a base, a delta and a generation of its own when it starts. The worker comes to see them when they are spoilt.
            worker.stop();
            drop(start(nginx));
            let path = published(nginx, name);
            let good = fs::read(&path).unwrap();
            spoil(&path, spoilt(good.clone()));
            worker.signal(Signal::CONT);
            let lines = || lines_with(&nginx.log(), "snapshot: goes on with publication ").join("\n");
            wait_for(said, PATIENCE, || {
                assert_it_leads_to(nginx, "one.test", "one");
                lines().lines().last().is_some_and(|line| line.contains(said)).then_some(())
            });
            let before = lines().lines().count();
            (0..50).for_each(|_| assert_it_leads_to(nginx, "one.test", "one"));
            assert_eq!(lines().lines().count(), before, "told once: {}", lines());
            // What was good is good again, and told.
            let recovered = || lines_with(&nginx.log(), "snapshot: uses publication ").len();
            let before = recovered();
            spoil(&path, Some(good));
            wait_for("the good one", PATIENCE, || {
                assert_it_leads_to(nginx, "one.test", "one");
                (recovered() > before).then_some(())
            });
        }
        assert_eq!(nginx.workers()[0].pid, worker.pid);
    });
}

/// In place, while it is mapped, which no publisher does.
#[test]
fn whoever_shortens_what_is_published_ends_no_worker() {
    // With few hosts a worker has its own copy, with many it shares the file.
    for (hosts, is_copied) in [(1, true), (30_000, false)] {
        with_each(&setup(SNAPSHOT), |nginx| {
            let daemon = start(nginx);
            let line =
                |number: usize| json!({ "host": format!("h{number}.test"), "backend": "127.0.0.1:8001" });
            let lines: String = (0..hosts).map(|number| format!("{}\n", line(number))).collect();
            assert_eq!(daemon.ask("POST", "/import.ndjson", &lines).status, 200);
            until_it_leads_to(nginx, "h0.test", "one");
            // A daemon that starts publishes a base of all it has, which the worker takes up before anything is done to it.
            drop(daemon);
            let daemon = start(nginx);
            let worker = nginx.workers()[0].pid;
            wait_for("the base", PATIENCE, || {
                assert_it_leads_to(nginx, "h0.test", "one");
                nginx.workers()[0].maps().contains("/map/base-").eq(&!is_copied).then_some(())
            });
            for name in ["base-", "delta", "control"] {
                fs::OpenOptions::new().write(true).open(published(nginx, name)).unwrap().set_len(0).unwrap();
                for number in 0..200 {
                    let answer = nginx.get(&format!("h{}.test", number % hosts), "/variable/");
                    assert!(answer.status == 200 || !is_copied, "{name}: {answer:?} {}", nginx.log());
                }
            }
            // The daemon has noticed, too.
            wait_for("a new publication", PATIENCE, || {
                let is_whole = ["base-", "delta", "control"]
                    .map(|name| fs::metadata(published(nginx, name)).unwrap().len() > 0);
                (is_whole == [true; 3] && daemon.ask("GET", "/healthz", "").status == 200).then_some(())
            });
            assert!(daemon.log().contains("was changed or removed by somebody else"), "{}", daemon.log());
            for number in (0..hosts).step_by(100) {
                until_it_leads_to(nginx, &format!("h{number}.test"), "one");
            }
            daemon.put("new.test", json!("127.0.0.1:8002"));
            until_it_leads_to(nginx, "new.test", "two");
            assert_eq!(nginx.workers()[0].pid, worker);
        });
    }
}

#[test]
fn a_bus_error_of_somebody_else_ends_a_worker_as_ever() {
    with_each(&setup(SNAPSHOT), |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        let worker = nginx.workers()[0].clone();
        worker.signal(Signal::BUS);
        wait_for("another worker", PATIENCE, || {
            nginx.workers().first().is_some_and(|other| other.pid != worker.pid).then_some(())
        });
        nginx.wait_for_log("exited on signal 7");
        until_it_leads_to(nginx, "one.test", "one");
        // It is the one thing that the log should complain of.
        fs::write(nginx.folder().join("error.log"), "").unwrap();
    });
}

/// Workers that are there have it mapped; those that a reload starts would have nothing.
#[test]
fn what_somebody_removes_is_published_anew() {
    with_each(&setup(SNAPSHOT), |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        until_it_leads_to(nginx, "one.test", "one");
        for name in ["base-", "delta", "control"] {
            let path = published(nginx, name);
            fs::remove_file(&path).unwrap();
            wait_for("a new publication", PATIENCE, || {
                assert_it_leads_to(nginx, "one.test", "one");
                let files = fs::read_dir(nginx.folder().join("map")).unwrap().flatten();
                files
                    .into_iter()
                    .any(|file| file.file_name().to_string_lossy().starts_with(name))
                    .then_some(())
            });
            nginx.reload();
            // One that has not yet looked would find the next file missing.
            nginx.all_workers();
            until_it_leads_to(nginx, "one.test", "one");
        }
    });
}

#[test]
fn the_folder_may_be_replaced_while_it_is_mapped() {
    with_each(&setup(SNAPSHOT), |nginx| {
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8001"));
        daemon.put("other.test", json!("127.0.0.1:8002"));
        until_it_leads_to(nginx, "other.test", "two");
        let worker = nginx.workers()[0].pid;
        // Emptied, under a daemon that knows nothing of it.
        fs::remove_dir_all(nginx.folder().join("map")).unwrap();
        (0..50).for_each(|_| assert_it_leads_to(nginx, "one.test", "one"));
        daemon.put("one.test", json!("127.0.0.1:8003"));
        until_it_leads_to(nginx, "one.test", "three");
        assert_it_leads_to(nginx, "other.test", "two");
        // Replaced by another one, of another daemon that counts from 1 again.
        assert_eq!(daemon.end_by(Signal::TERM).code(), Some(0));
        let path = |name: &str| nginx.folder().join(name);
        fs::rename(path("map"), path("former")).unwrap();
        fs::remove_file(path("map.redb")).unwrap();
        let daemon = start(nginx);
        daemon.put("one.test", json!("127.0.0.1:8002"));
        until_it_leads_to(nginx, "one.test", "two");
        wait_for("the end of the other", PATIENCE, || {
            (nginx.get("other.test", "/variable/").status == 503).then_some(())
        });
        assert_eq!(nginx.workers()[0].pid, worker);
    });
}
