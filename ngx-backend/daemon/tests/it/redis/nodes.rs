//! Nodes that all work.

use super::{CHANGES, ENTRIES, backend, import, node};
use crate::{Daemon, await_published, published, start_redis, until};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use test_services::{RedisReply, Relay};

#[test]
fn what_one_node_changes_all_have() {
    let Some(redis) = start_redis(&[]) else { return };
    let (one, other) = (node(&redis), node(&redis));
    let reader = other.reader();
    let mut slowest = Duration::ZERO;
    for number in 1..=50 {
        let value = format!("192.0.2.1:{number}");
        assert_eq!(one.put("a", &value).status, if number == 1 { 201 } else { 200 });
        let acknowledged = Instant::now();
        assert_eq!(backend(&one, "a").as_ref(), Some(&value), "the node that acknowledged it has it");
        until("the publication", || published(&reader, "a").as_ref() == Some(&value));
        slowest = slowest.max(acknowledged.elapsed());
        assert_eq!(backend(&other, "a").as_ref(), Some(&value));
    }
    eprintln!("the slowest of 50 changes was seen {slowest:?} after its answer");
    assert_eq!(other.delete("/entries/a.json").status, 204);
    until("the deletion", || backend(&one, "a").is_none());
    assert_eq!(one.delete("/entries/a.json").status, 404);
    for (name, expected) in [
        ("backend_redis_following", 1.0),
        ("backend_redis_followed_revision", 51.0),
        ("backend_redis_lag_changes", 0.0),
        ("backend_redis_skipped_entries", 0.0),
        ("backend_redis_connections_total", 1.0),
        ("backend_redis_copies_total", 1.0),
    ] {
        until(name, || one.metric(name) == Some(expected));
    }
    assert_eq!(redis.command(&["HLEN", ENTRIES]), RedisReply::Text("0".to_owned()));
}

#[test]
fn nodes_that_write_at_once_lose_nothing_and_end_with_one_map() {
    let Some(redis) = start_redis(&[]) else { return };
    let nodes = [node(&redis), node(&redis), node(&redis)];
    thread::scope(|scope| {
        for (number, daemon) in nodes.iter().enumerate() {
            scope.spawn(move || assert_eq!(import(daemon, &format!("of{number}"), 5_000), 200));
            scope.spawn(move || {
                for change in 1..=100 {
                    let answer = daemon.put(&format!("w{change}.of{number}"), "192.0.2.1:1");
                    assert_eq!(answer.status, 201, "{answer:?}");
                    // All write these, and one of them is the last.
                    let answer =
                        daemon.put(&format!("shared{}", change % 5), &format!("192.0.2.{number}:{change}"));
                    assert!([200, 201].contains(&answer.status), "{answer:?}");
                }
            });
        }
    });
    let exports = || nodes.each_ref().map(|daemon| daemon.get("/export.ndjson").body);
    until("one map", || exports().windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(exports()[0].lines().count(), 3 * 5_000 + 3 * 100 + 5);
    let readers = nodes.each_ref().map(Daemon::reader);
    for host in 0..5 {
        let host = format!("shared{host}");
        let expected = backend(&nodes[0], &host);
        assert!(expected.is_some());
        for reader in &readers {
            until("the last of all", || published(reader, &host) == expected);
        }
    }
    assert!(nodes.iter().all(|daemon| daemon.metric("backend_redis_copies_total") == Some(1.0)));
}

/// What a node acknowledged before it was killed is with the other one, and with itself when it is back.
#[test]
fn a_killed_node_loses_nothing_that_it_acknowledged() {
    let Some(redis) = start_redis(&[]) else { return };
    let (one, other) = (node(&redis), node(&redis));
    let acknowledged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..4 {
            let (one, acknowledged) = (&one, &acknowledged);
            scope.spawn(move || {
                for number in 0.. {
                    let host = format!("h{number}.w{writer}");
                    let body = format!(r#"{{"host": "{host}", "backend": "192.0.2.1:80"}}"#);
                    let answer = one.client().try_send("POST", "/entries.json", &[], body.as_bytes());
                    if !answer.is_ok_and(|answer| answer.status == 201) {
                        return;
                    }
                    acknowledged.lock().unwrap().push(host);
                }
            });
        }
        until("a storm", || acknowledged.lock().unwrap().len() >= 400);
        one.signal("-KILL");
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    let (one, reader) = (one.restart("-KILL"), other.reader());
    for host in &acknowledged {
        until("the other node", || published(&reader, host).is_some());
        assert!(backend(&one, host).is_some(), "{host}");
    }
    until("one map", || one.get("/export.ndjson").body == other.get("/export.ndjson").body);
    assert_eq!(one.metric("backend_redis_copies_total"), Some(0.0), "it went on with its copy");
}

/// Changes that a node missed are no longer recorded.
#[test]
fn a_gap_in_the_record_is_noticed() {
    let Some(redis) = start_redis(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let url = format!("redis://{}", relay.address());
    let (one, other) = (node(&redis), Daemon::start_in(tempfile::tempdir().unwrap(), &["--store", &url]));
    for number in 0..10 {
        assert_eq!(one.put(&format!("h{number}"), "192.0.2.1:80").status, 201);
    }
    until("the other", || backend(&other, "h9").is_some());
    // From here on it hears of one change at most.
    relay.stall(true);
    assert_eq!(one.delete("/entries/h3.json").status, 204);
    assert_eq!(one.put("h4", "192.0.2.2:80").status, 200);
    redis.command(&["XTRIM", CHANGES, "MAXLEN", "0"]);
    assert_eq!(one.put("h5", "192.0.2.2:80").status, 200);
    relay.stall(false);
    let reader = other.reader();
    until("the change", || published(&reader, "h5").as_deref() == Some("192.0.2.2:80"));
    await_published(&reader, "h4", "192.0.2.2:80");
    until("the removal", || published(&reader, "h3").is_none());
    assert_eq!(other.get("/export.ndjson").body, one.get("/export.ndjson").body);
    assert_eq!(other.metric("backend_redis_copies_total"), Some(2.0));
    assert_eq!(one.metric("backend_redis_copies_total"), Some(1.0), "it had everything");
}
