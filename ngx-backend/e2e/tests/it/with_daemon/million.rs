//! A million hosts.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use backend_e2e::{Daemon, Edition, Nginx, Setup};
use serde_json::json;
use test_services::wait_for;

use super::{SNAPSHOT, assert_it_leads_to, setup, start};
use crate::PATIENCE;

const HOSTS: usize = 1_000_000;
/// What the table takes of memory for each host, in bytes, all workers together.
const BYTES_PER_HOST: u64 = 100;
/// Most that a worker has for itself alone, in KiB: a small part of a table.
const OWN: u64 = 16 << 10;

fn host(number: usize) -> String {
    format!("h{number}.example.test")
}

/// One table for all workers: each has the file mapped, and next to nothing beside.
fn assert_it_is_shared(nginx: &Nginx) {
    let files = fs::read_dir(nginx.folder().join(Daemon::MAP)).unwrap().flatten();
    let table = files.map(|file| file.metadata().unwrap().len()).max().unwrap();
    assert!(table <= BYTES_PER_HOST * HOSTS as u64, "{table} bytes");
    for worker in nginx.all_workers() {
        assert!(worker.maps().contains("/map/base-"), "{}", worker.maps());
        for of_its_own in ["Anonymous", "Private_Dirty"] {
            let kib = worker.memory(of_its_own);
            eprintln!("of a million hosts, a worker has {kib} KiB for itself ({of_its_own})");
            assert!(kib < OWN, "{kib} KiB {of_its_own}, beside a table of {table} bytes");
        }
    }
}

#[test]
fn a_million_hosts_are_served_and_changed() {
    // What the first daemon was told is there for the second.
    let keep = tempfile::tempdir().unwrap();
    let kept = keep.path().join("store");
    for edition in Edition::NATIVE {
        let setup = Setup { workers: 2, ..setup(SNAPSHOT) };
        let nginx = match Nginx::start(edition, &setup) {
            Ok(nginx) => nginx,
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        };
        let store = nginx.folder().join(Daemon::STORE);
        if kept.exists() {
            fs::rename(&kept, &store).or_else(|_| fs::copy(&kept, &store).map(drop)).unwrap();
        }
        let daemon = start(&nginx);
        if daemon.metric("backend_entries") == 0.0 {
            let mut lines = String::with_capacity(HOSTS * 64);
            for number in 0..HOSTS {
                let line = (host(number), 8001 + number % 3);
                writeln!(lines, r#"{{"host":"{}","backend":"127.0.0.1:{}"}}"#, line.0, line.1).unwrap();
            }
            let started = Instant::now();
            let report = daemon.ask("POST", "/import.ndjson", &lines);
            assert!(report.body.contains(r#""created":1000000"#), "{report:?}");
            eprintln!("a million hosts were imported in {:?}", started.elapsed());
        }
        assert_eq!(daemon.metric("backend_entries"), HOSTS as f64);
        wait_for("the table", PATIENCE, || {
            (nginx.get(&host(HOSTS - 1), "/variable/").status == 200).then_some(())
        });
        let mut connections = nginx.connect_to_each_worker();
        for connection in &mut connections {
            // A step that has no factor in common with three, so that each upstream is met.
            for number in (0..HOSTS).step_by(997) {
                let answer = connection.get(&host(number), "/balanced/").unwrap();
                let name = ["one ", "two ", "three "][number % 3];
                assert!(answer.body.starts_with(name), "{number}: {answer:?}");
            }
        }
        let mut connection = connections.remove(0);
        assert_it_is_shared(&nginx);
        assert_eq!(connection.get(&host(HOSTS), "/balanced/").unwrap().status, 503);
        // A change is as quick as ever, since it is written beside the base; but for one that has a base written.
        let mut delays = Vec::new();
        for (number, (port, name)) in
            [(8002, "two "), (8003, "three "), (8001, "one ")].iter().cycle().take(15).enumerate()
        {
            daemon.put(&host(number % 2), json!(format!("127.0.0.1:{port}")));
            let acknowledged = Instant::now();
            wait_for(name, PATIENCE, || {
                let answer = connection.get(&host(number % 2), "/balanced/").unwrap();
                answer.body.starts_with(name).then_some(())
            });
            delays.push(acknowledged.elapsed());
        }
        delays.sort_unstable();
        eprintln!("of a million hosts, a change is seen after {:?} (median)", delays[delays.len() / 2]);
        assert!(delays[delays.len() / 2] < Duration::from_millis(100), "{delays:?}");
        daemon.delete(&host(4));
        wait_for("the deletion", PATIENCE, || {
            (nginx.get(&host(4), "/variable/").status == 503).then_some(())
        });
        daemon.put(&host(4), json!("127.0.0.1:8002"));
        wait_for("its return", PATIENCE, || (nginx.get(&host(4), "/variable/").status == 200).then_some(()));
        assert_it_leads_to(&nginx, &host(4), "two");
        nginx.assert_healthy();
        drop(daemon);
        fs::rename(&store, &kept).or_else(|_| fs::copy(&store, &kept).map(drop)).unwrap();
    }
}
