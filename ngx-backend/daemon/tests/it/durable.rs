//! What was acknowledged stays, however the daemon ends.

use super::{Stores, await_published, on_both_stores, published, until};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

on_both_stores! {
    acknowledged_changes_survive_a_kill_in_a_storm,
    readers_go_on_while_the_daemon_is_away,
}

/// Several rounds of a storm of changes, each ended by SIGKILL in its middle.
fn acknowledged_changes_survive_a_kill_in_a_storm(stores: &Stores) {
    let mut daemon = stores.daemon();
    let acknowledged = Mutex::new(BTreeMap::new());
    let next = AtomicU32::new(0);
    for round in 1..=3 {
        let before = acknowledged.lock().unwrap().len();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let host = format!("h{}.example", number % 500);
                        // Each host has one writer at a time only if its number comes once; so hosts carry it.
                        let (host, backend) =
                            (format!("{number}.{host}"), format!("192.0.2.1:{}", number % 60_000 + 1));
                        let body = serde_json::json!({ "host": host, "backend": backend }).to_string();
                        let answer = daemon.client().try_send("POST", "/entries.json", &[], body.as_bytes());
                        if answer.is_ok_and(|answer| answer.status == 201) {
                            acknowledged.lock().unwrap().insert(host, backend);
                        }
                    }
                });
            }
            until("a storm", || acknowledged.lock().unwrap().len() >= before + 200);
            daemon.signal("-KILL");
            over.store(true, Ordering::Relaxed);
        });
        let reader = daemon.reader();
        daemon = daemon.restart("-KILL");
        // A reader of the daemon that was killed goes on with the next one.
        let expected = acknowledged.lock().unwrap().clone();
        for (host, backend) in &expected {
            await_published(&reader, host, backend);
            let entry = daemon.get(&format!("/entries/{host}.json"));
            assert_eq!(entry.json()["backend"], **backend, "round {round}");
        }
    }
}

fn readers_go_on_while_the_daemon_is_away(stores: &Stores) {
    let mut daemon = stores.daemon();
    daemon.put("a", "192.0.2.1:80");
    let reader = daemon.reader();
    until("the publication", || published(&reader, "a").is_some());
    daemon.signal("-KILL");
    daemon.wait();
    for _ in 0..1_000 {
        await_published(&reader, "a", "192.0.2.1:80");
    }
    reader.health().unwrap();
    let daemon = daemon.restart("-KILL");
    daemon.put("a", "192.0.2.2:80");
    until("the change", || published(&reader, "a").as_deref() == Some("192.0.2.2:80"));
}
