//! Redis is away, has lost its data, or does not answer.

use super::{ENTRIES, LASTING, assert_refused, backend, import, node, trouble};
use crate::{Daemon, await_published, published, redis_url, start_redis, until};
use std::collections::BTreeMap;
use test_services::{RedisReply, Relay};

/// Redis goes and comes back with its data: meanwhile nothing changes and everything is answered.
#[test]
fn a_restart_of_redis_stops_changes_and_nothing_else() {
    let Some(mut redis) = start_redis(&LASTING) else { return };
    let (one, other) = (node(&redis), node(&redis));
    let mut expected = BTreeMap::new();
    for number in 0..20 {
        assert_eq!(one.put(&format!("h{number}"), &format!("192.0.2.1:{}", number + 1)).status, 201);
        expected.insert(format!("h{number}"), format!("192.0.2.1:{}", number + 1));
    }
    until("the other", || backend(&other, "h19").is_some());
    redis.stop();
    for daemon in [&one, &other] {
        until("the trouble", || trouble(daemon).as_deref() == Some("Redis cannot be reached"));
        assert_refused(daemon, "nothing can be changed now: ");
        assert_eq!(daemon.metric("backend_redis_following"), Some(0.0));
        let reader = daemon.reader();
        for (host, value) in &expected {
            assert_eq!(backend(daemon, host).as_ref(), Some(value));
            await_published(&reader, host, value);
        }
    }
    redis.start_again().unwrap();
    for daemon in [&one, &other] {
        until("health", || daemon.get("/healthz").status == 200);
        until("the log", || daemon.line("works again").is_some());
    }
    assert_eq!(one.put("later", "192.0.2.2:1").status, 201);
    until("the other", || backend(&other, "later").is_some());
    for (host, value) in &expected {
        assert_eq!(backend(&other, host).as_ref(), Some(value));
    }
    assert_eq!(one.metric("backend_redis_copies_total"), Some(1.0), "it went on where it was");
}

/// Redis comes back with nothing: that is no map that anybody made.
#[test]
fn a_redis_that_lost_the_map_does_not_empty_it_everywhere() {
    let Some(mut redis) = start_redis(&[]) else { return };
    let mut daemon = node(&redis);
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    redis.stop();
    until("the trouble", || trouble(&daemon).is_some());
    redis.start_again().unwrap();
    until("the loss", || trouble(&daemon).as_deref() == Some("Redis has lost the map"));
    assert_refused(&daemon, "has lost the map; restore its data");
    // The same when it is emptied under a connection, and after a restart.
    daemon = daemon.restart("-TERM");
    assert_eq!(trouble(&daemon).as_deref(), Some("Redis has lost the map"));
    await_published(&daemon.reader(), "a", "192.0.2.1:80");
    assert_eq!(backend(&daemon, "a").as_deref(), Some("192.0.2.1:80"));
    let exported = daemon.get("/export.ndjson").body;

    // What the sentence says about beginning anew.
    daemon.end("-TERM");
    std::fs::remove_file(daemon.path("copy.redb")).unwrap();
    daemon = daemon.again();
    assert_eq!((daemon.get("/healthz").status, backend(&daemon, "a")), (200, None));
    assert_eq!(daemon.client().send("POST", "/import.ndjson", &[], exported.as_bytes()).status, 200);
    assert_eq!(redis.command(&["FLUSHALL"]), RedisReply::Text("OK".to_owned()));
    until("the loss", || trouble(&daemon).as_deref() == Some("Redis has lost the map"));
    await_published(&daemon.reader(), "a", "192.0.2.1:80");
}

/// A Redis without a disk, and nodes that have the map.
#[test]
fn a_redis_that_lost_the_map_is_given_it_again_where_that_is_wanted() {
    let Some(mut redis) = start_redis(&[]) else { return };
    let url = redis_url(&redis);
    let start =
        |more: &[&str]| Daemon::start_in(tempfile::tempdir().unwrap(), &[&["--store", &url], more].concat());
    let (one, other) = (start(&[]), start(&["--store-refill", "on"]));
    // Two full parts and an empty one.
    assert_eq!(import(&one, "a", 2_000), 200);
    assert_eq!(one.put("h0.a.example", "192.0.2.2:80").status, 200);
    until("the other", || other.metric("backend_redis_followed_revision") == Some(2_001.0));
    let expected = one.get("/export.ndjson").body;
    redis.stop();
    for daemon in [&one, &other] {
        until("the trouble", || trouble(daemon).is_some());
    }
    redis.start_again().unwrap();
    for daemon in [&one, &other] {
        until("health", || daemon.get("/healthz").status == 200);
        assert_eq!(daemon.get("/export.ndjson").body, expected);
        assert_eq!(daemon.metric("backend_redis_copies_total"), Some(1.0), "it went on where it was");
    }
    until("the log", || other.line("was given it again\" entries=2000 revision=2001").is_some());
    assert_eq!(redis.command(&["DBSIZE"]), RedisReply::Text("2".to_owned()));
    assert_eq!(redis.command(&["TTL", ENTRIES]), RedisReply::Text("-1".to_owned()));
    assert_eq!(one.put("later", "192.0.2.1:80").status, 201);
    until("the change", || backend(&other, "later").is_some());
    let third = start(&[]);
    assert_eq!(third.get("/export.ndjson").body, one.get("/export.ndjson").body);
}

/// The machine starts before Redis does, with and without what was published before.
#[test]
fn a_start_without_redis_leaves_what_was_published() {
    let Some(mut redis) = start_redis(&LASTING) else { return };
    let mut daemon = node(&redis);
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    let reader = daemon.reader();
    until("the publication", || published(&reader, "a").is_some());
    let generation = reader.generation();
    redis.stop();
    daemon.end("-KILL");
    std::fs::remove_file(daemon.path("copy.redb")).unwrap();

    daemon = daemon.again();
    assert_eq!(trouble(&daemon).as_deref(), Some("Redis cannot be reached"));
    let answer = daemon.get("/entries.json");
    assert_eq!((answer.status, answer.head.contains("retry-after")), (503, true), "{answer:?}");
    assert!(answer.error().contains("nothing is known yet"), "{answer:?}");
    assert_eq!(daemon.get("/export.ndjson").status, 503);
    assert_eq!(daemon.metric("backend_healthy"), Some(0.0));
    assert_refused(&daemon, "cannot reach Redis");
    await_published(&reader, "a", "192.0.2.1:80");
    assert_eq!(reader.generation(), generation, "nothing was published");

    redis.start_again().unwrap();
    until("health", || daemon.get("/healthz").status == 200);
    assert_eq!(backend(&daemon, "a").as_deref(), Some("192.0.2.1:80"));
    assert_eq!(daemon.put("a", "192.0.2.2:80").status, 200);
    until("the publication", || published(&reader, "a").as_deref() == Some("192.0.2.2:80"));

    // Nothing is published any more, as after a start of the machine, and there is the copy.
    daemon.end("-TERM");
    redis.stop();
    std::fs::remove_dir_all(daemon.path("map")).unwrap();
    daemon = daemon.again();
    await_published(&daemon.reader(), "a", "192.0.2.2:80");
    assert_eq!(backend(&daemon, "a").as_deref(), Some("192.0.2.2:80"));
    assert!(trouble(&daemon).is_some());
}

/// A network that swallows everything: whether the change was made, nobody can know.
#[test]
fn an_answer_that_does_not_come_is_not_taken_for_one() {
    let Some(redis) = start_redis(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let url = format!("redis://{}/0", relay.address());
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--store", &url]);
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    relay.stall(true);
    let answer = daemon.put("a", "192.0.2.2:80");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.error().contains("whether it was changed is not known"), "{answer:?}");
    until("the trouble", || trouble(&daemon).is_some());
    relay.stall(false);
    until("health", || daemon.get("/healthz").status == 200);
    assert_eq!(daemon.put("a", "192.0.2.3:80").status, 200);
    let reader = daemon.reader();
    until("the change", || published(&reader, "a").as_deref() == Some("192.0.2.3:80"));
    relay.cut();
    until("a change", || daemon.put("a", "192.0.2.4:80").status == 200);
    until("the change", || published(&reader, "a").as_deref() == Some("192.0.2.4:80"));
}
