//! What resolvers see, by both of their ways.

use super::{Stores, await_published, on_both_stores, published, until};
use plugin_host::{Resolved, ResolverInstance};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

on_both_stores! {
    changes_are_seen_at_once_and_the_most_exact_entry_counts,
    both_resolvers_find_what_the_api_was_told,
    a_growing_delta_becomes_a_base_while_changes_go_on,
    a_publication_that_fails_is_told_and_done_anew,
}

fn changes_are_seen_at_once_and_the_most_exact_entry_counts(stores: &Stores) {
    let daemon = stores.daemon();
    let reader = daemon.reader();
    let mut slowest = Duration::ZERO;
    for number in 1..=50 {
        let backend = format!("192.0.2.1:{number}");
        daemon.put("www.example.com", &backend);
        let acknowledged = Instant::now();
        until("the change", || published(&reader, "www.example.com").as_ref() == Some(&backend));
        slowest = slowest.max(acknowledged.elapsed());
    }
    eprintln!("the slowest of 50 changes was seen {slowest:?} after its answer");
    daemon.put("*.example.com", "192.0.2.2:1");
    daemon.put("*", "192.0.2.3:1");
    until("the default", || published(&reader, "other").as_deref() == Some("192.0.2.3:1"));
    await_published(&reader, "a.example.com", "192.0.2.2:1");
    daemon.delete("/entries/www.example.com.json");
    until("the deletion", || published(&reader, "www.example.com").as_deref() == Some("192.0.2.2:1"));
}

fn answer(resolver: &ResolverInstance, host: &str) -> Resolved {
    loop {
        let (sender, woken) = channel();
        match resolver.resolve(host, Some(Box::new(move || sender.send(()).unwrap_or_default()))) {
            Ok(Resolved::Pending) => woken.recv_timeout(super::PATIENCE).unwrap(),
            answer => return answer.unwrap(),
        }
    }
}

fn both_resolvers_find_what_the_api_was_told(stores: &Stores) {
    let daemon = stores.daemon();
    let settings = |name: &str| format!(r#"{{"path": "{}"}}"#, daemon.path(name).display());
    let snapshot = plugin_testing::resolver(&snapshot_resolver::PLUGIN, &settings("map"), None).unwrap();
    let socket =
        plugin_testing::resolver(&socket_resolver::PLUGIN, &settings("resolver.sock"), None).unwrap();
    until("the socket", || socket.health().is_ok());
    let backend = serde_json::json!(["192.0.2.1:80", { "address": "unix:/run/a.sock", "weight": 9 }]);
    let body = serde_json::json!({ "host": "*.example.com", "backend": backend }).to_string();
    assert_eq!(daemon.client().send("POST", "/entries.json", &[], body.as_bytes()).status, 201);
    until("the publication", || answer(&snapshot, "a.example.com") != Resolved::NotFound);
    let Resolved::Upstreams(found) = answer(&snapshot, "a.example.com") else { panic!("not found") };
    assert_eq!((found.len(), found[1].weight, found[1].name.as_str()), (2, 9, "/run/a.sock"));
    assert_eq!(answer(&socket, "a.example.com"), Resolved::Upstreams(found));
    assert_eq!(answer(&socket, "example.com"), Resolved::NotFound);
    assert_eq!(answer(&snapshot, "example.com"), Resolved::NotFound);
}

/// More changes than a delta holds: a new base is written, and nothing is lost on the way.
fn a_growing_delta_becomes_a_base_while_changes_go_on(stores: &Stores) {
    let daemon = stores.daemon();
    let reader = daemon.reader();
    let lines: String = (0..20_000)
        .map(|number| {
            format!(
                "{{\"host\": \"h{number}.example\", \"backend\": \"192.0.2.1:{}\"}}\n",
                number % 60_000 + 1
            )
        })
        .collect();
    let report = daemon.client().send("POST", "/import.ndjson", &[], lines.as_bytes());
    assert_eq!((report.status, report.json()["created"].as_u64()), (200, Some(20_000)), "{report:?}");
    for number in 0..200 {
        assert_eq!(daemon.put(&format!("h{number}.example"), "192.0.2.2:1").status, 200);
    }
    until("a base", || daemon.metric("backend_bases_total").is_some_and(|bases| bases >= 1.0));
    until("a small delta", || {
        daemon.metric("backend_delta_records").is_some_and(|records| records <= 4_096.0)
    });
    until("the last change", || published(&reader, "h199.example").as_deref() == Some("192.0.2.2:1"));
    for number in 0..20_000 {
        let expected = if number < 200 {
            "192.0.2.2:1".to_owned()
        } else {
            format!("192.0.2.1:{}", number % 60_000 + 1)
        };
        await_published(&reader, &format!("h{number}.example"), &expected);
    }
}

/// Somebody empties the folder, or puts another in its place: it is told, and the next publication is a whole one.
fn a_publication_that_fails_is_told_and_done_anew(stores: &Stores) {
    let daemon = stores.daemon();
    let reader = daemon.reader();
    daemon.put("a", "192.0.2.1:80");
    until("the first", || published(&reader, "a").is_some());
    std::fs::remove_dir_all(daemon.path("map")).unwrap();
    daemon.put("b", "192.0.2.2:80");
    until("the log", || daemon.line("was replaced or emptied").is_some());
    until("the new folder", || published(&reader, "b").as_deref() == Some("192.0.2.2:80"));
    await_published(&reader, "a", "192.0.2.1:80");
    until("health", || daemon.get("/healthz").status == 200);
    daemon.put("a", "192.0.2.3:80");
    until("the next", || published(&reader, "a").as_deref() == Some("192.0.2.3:80"));

    // Nobody need change anything for that to be noticed.
    std::fs::remove_file(daemon.path("map/delta")).unwrap();
    until("the delta", || daemon.path("map/delta").exists());
    await_published(&daemon.reader(), "b", "192.0.2.2:80");
    until("the log", || daemon.line("map/delta was changed or removed by somebody else").is_some());

    // A file in its place cannot be published to until it is gone.
    std::fs::remove_dir_all(daemon.path("map")).unwrap();
    std::fs::write(daemon.path("map"), "").unwrap();
    daemon.put("b", "192.0.2.4:80");
    until("the trouble", || daemon.get("/healthz").status == 503);
    assert_eq!(daemon.get("/healthz").json()["parts"], serde_json::json!(["publication"]));
    assert_eq!(published(&reader, "b").as_deref(), Some("192.0.2.2:80"), "what was published stays");
    std::fs::remove_file(daemon.path("map")).unwrap();
    until("health", || daemon.get("/healthz").status == 200);
    until("what was not published", || published(&reader, "b").as_deref() == Some("192.0.2.4:80"));
}
