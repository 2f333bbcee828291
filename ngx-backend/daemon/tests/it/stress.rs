//! Every change that was acknowledged is published, soon and in its order, whatever else goes on.

use super::{Stores, on_both_stores, published, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

on_both_stores! {
    each_acknowledged_change_is_seen_before_the_next_while_bases_are_written,
}

/// The number at the end of the published upstream; 0 if there is none.
fn number(address: Option<String>) -> usize {
    address.map_or(0, |address| address.rsplit(':').next().unwrap().parse().unwrap())
}

/// Several write at once, each its own host and each change after the last one was seen, while imports have bases written under them.
fn each_acknowledged_change_is_seen_before_the_next_while_bases_are_written(stores: &Stores) {
    const WRITERS: usize = 4;
    const CHANGES: usize = 75;
    // Each of them is more than a small delta.
    const IMPORTS: usize = 5;
    let daemon = stores.daemon();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let daemon = &daemon;
                scope.spawn(move || {
                    let (reader, host) = (daemon.reader(), format!("w{writer}.example"));
                    for change in 1..=CHANGES {
                        let answer = daemon.put(&host, &format!("192.0.2.1:{change}"));
                        assert_eq!(answer.status, if change == 1 { 201 } else { 200 }, "{answer:?}");
                        until(&format!("change {change} of {host}"), || {
                            let seen = number(published(&reader, &host));
                            assert!((change - 1..=change).contains(&seen), "{host}: {seen} after {change}");
                            seen == change
                        });
                    }
                })
            })
            .collect();
        let imports = scope.spawn(|| {
            for import in 1..=IMPORTS {
                let lines: String = (0..5_000)
                    .map(|host| {
                        format!("{{\"host\": \"i{import}-{host}.example\", \"backend\": \"192.0.2.2:1\"}}\n")
                    })
                    .collect();
                let report = daemon.client().send("POST", "/import.ndjson", &[], lines.as_bytes());
                assert_eq!(report.json()["created"].as_u64(), Some(5_000), "{report:?}");
                if over.load(Ordering::SeqCst) {
                    return import;
                }
            }
            IMPORTS
        });
        let outcomes: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::SeqCst);
        let imports = imports.join().unwrap();
        outcomes.into_iter().for_each(Result::unwrap);
        let reader = daemon.reader();
        for import in 1..=imports {
            until("the import", || published(&reader, &format!("i{import}-4999.example")).is_some());
        }
    });
    until("a base", || {
        let metrics = daemon.get("/metrics").body;
        metrics.lines().any(|line| line.starts_with("backend_bases_total ") && !line.ends_with(" 0"))
    });
}
