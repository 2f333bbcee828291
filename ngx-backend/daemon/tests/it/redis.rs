//! Several daemons on one map in Redis, and what happens to it.

use super::{Daemon, published, redis_url, start_redis, until};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use test_services::{Redis, RedisReply, Relay};

/// Options with which a Redis has its data again when it is started again.
const LASTING: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", "--dir", "/run/redis"];
const ENTRIES: &str = "backend:entries";
const CHANGES: &str = "backend:changes";

fn node(redis: &Redis) -> Daemon {
    Daemon::start_in(tempfile::tempdir().unwrap(), &["--store", &redis_url(redis)])
}

fn backend(daemon: &Daemon, host: &str) -> Option<String> {
    let answer = daemon.get(&format!("/entries/{host}.json"));
    (answer.status == 200).then(|| answer.json()["backend"].as_str().unwrap().to_owned())
}

fn import(daemon: &Daemon, name: &str, count: usize) -> u16 {
    let line =
        |number| format!("{{\"host\": \"h{number}.{name}.example\", \"backend\": \"192.0.2.1:80\"}}\n");
    let lines: String = (0..count).map(line).collect();
    daemon.client().send("POST", "/import.ndjson", &[], lines.as_bytes()).status
}

/// What `/healthz` says of Redis.
fn trouble(daemon: &Daemon) -> Option<String> {
    let health = daemon.get("/healthz");
    (health.status == 503).then(|| health.json()["redis"].as_str().unwrap_or_default().to_owned())
}

fn assert_refused(daemon: &Daemon, part: &str) {
    let answer = daemon.put("refused.example", "192.0.2.9:1");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    assert!(answer.error().contains(part), "{answer:?}");
}

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
            assert_eq!(published(&reader, host).as_ref(), Some(value));
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
    assert_eq!(published(&daemon.reader(), "a").as_deref(), Some("192.0.2.1:80"));
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
    assert_eq!(published(&daemon.reader(), "a").as_deref(), Some("192.0.2.1:80"));
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

/// A replica that had not everything yet becomes the master.
#[test]
fn an_older_map_is_read_anew() {
    let Some(redis) = start_redis(&[]) else { return };
    let daemon = node(&redis);
    assert_eq!(daemon.put("old", "192.0.2.1:80").status, 201);
    for key in [ENTRIES, CHANGES] {
        assert_eq!(redis.command(&["COPY", key, &format!("{key}-old")]), RedisReply::Text("1".to_owned()));
    }
    assert_eq!(daemon.put("new", "192.0.2.1:80").status, 201);
    assert_eq!(daemon.put("old", "192.0.2.2:80").status, 200);
    let reader = daemon.reader();
    until("the publication", || published(&reader, "old").as_deref() == Some("192.0.2.2:80"));
    for key in [ENTRIES, CHANGES] {
        redis.command(&["RENAME", &format!("{key}-old"), key]);
    }
    until("the older map", || published(&reader, "old").as_deref() == Some("192.0.2.1:80"));
    assert_eq!((backend(&daemon, "new"), published(&reader, "new")), (None, None));
    let logged = |part: &str| daemon.line(part).is_some();
    until("the reason", || logged("it went back from revision 3 to 1") || logged("has changed it"));
    until("a write", || daemon.put("new", "192.0.2.3:80").status == 201);
    assert_eq!(backend(&daemon, "new").as_deref(), Some("192.0.2.3:80"));
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
    assert_eq!(published(&reader, "h4").as_deref(), Some("192.0.2.2:80"));
    assert_eq!(published(&reader, "h3"), None);
    assert_eq!(other.get("/export.ndjson").body, one.get("/export.ndjson").body);
    assert_eq!(other.metric("backend_redis_copies_total"), Some(2.0));
    assert_eq!(one.metric("backend_redis_copies_total"), Some(1.0), "it had everything");
}

#[test]
fn garbage_is_told_once_counted_and_skipped() {
    let Some(redis) = start_redis(&[]) else { return };
    redis.command(&["HSET", ENTRIES, "no host", "x", "a.example", "no upstreams"]);
    let one = node(&redis);
    assert_eq!(one.put("good", "192.0.2.1:80").status, 201);
    assert_eq!(one.metric("backend_redis_skipped_entries"), Some(2.0));
    until("the log", || one.line("key=\"no host\"").is_some() && one.line("key=a.example").is_some());
    assert_eq!(one.get("/export.ndjson").body.lines().count(), 1);

    // While it is followed, past the record and in it.
    redis.command(&["HSET", ENTRIES, "b.example", "no upstreams"]);
    until("the count", || one.metric("backend_redis_skipped_entries") == Some(3.0));
    redis.command(&["XADD", CHANGES, "*", "something", "else"]);
    until("the third reading", || one.metric("backend_redis_copies_total") == Some(3.0));
    assert_eq!(one.put("better", "192.0.2.1:80").status, 201);
    // It is mended by giving it what it needs.
    assert_eq!(one.put("a.example", "192.0.2.1:80").status, 200);
    until("the mend", || one.metric("backend_redis_skipped_entries") == Some(2.0));
    assert_eq!(backend(&one, "a.example").as_deref(), Some("192.0.2.1:80"));
    let told = one.log.lock().unwrap().iter().filter(|line| line.contains("key=a.example")).count();
    assert_eq!(told, 1);
    assert_eq!(one.get("/healthz").status, 200);

    // Keys of another kind are nothing that could be skipped.
    redis.command(&["SET", "other:changes", "x"]);
    let more = ["--store", &redis_url(&redis), "--store-prefix", "other:"];
    let wrong = Daemon::start_in(tempfile::tempdir().unwrap(), &more);
    assert_eq!(trouble(&wrong).as_deref(), Some("Redis refuses what the daemon needs"));
    until("the log", || wrong.line("WRONGTYPE").is_some());
    assert_refused(&wrong, "WRONGTYPE");
}

#[test]
fn a_wrong_password_is_told_and_no_password_is_shown() {
    let Some(redis) = start_redis(&["--requirepass", "sesame-of-redis"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "sesame-of-nobody\n").unwrap();
    let url = format!("{}?pass=sesame-of-url", redis_url(&redis));
    let more = ["--store", &url, "--store-password-file", file.to_str().unwrap()];
    let daemon = Daemon::start_in(folder, &more);
    assert_eq!(trouble(&daemon).as_deref(), Some("Redis does not let the daemon in"));
    assert_refused(&daemon, "refuses the password; check the user in the URL and the password");
    until("the log", || daemon.line("--store-password-file").is_some());
    std::fs::write(&file, "sesame-of-redis\n").unwrap();
    let daemon = daemon.restart("-TERM");
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    assert_eq!(daemon.line("sesame"), None);
}

/// The rights that the README names are enough.
#[test]
fn a_user_with_few_rights_is_enough() {
    let Some(redis) = start_redis(&[]) else { return };
    let rights = "on >sesame ~backend:* -@all +evalsha +script|load +xread +hscan +exists +xinfo|stream +xrange +xadd +hset +hdel +hlen +select";
    let words: Vec<&str> = ["ACL", "SETUSER", "daemon"].into_iter().chain(rights.split(' ')).collect();
    assert_eq!(redis.command(&words), RedisReply::Text("OK".to_owned()));
    let relay = Relay::before(&redis.socket());
    let url = format!("redis://daemon:sesame@{}/3", relay.address());
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--store", &url]);
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    assert_eq!(daemon.delete("/entries/a.json").status, 204);
    assert_eq!(daemon.get("/healthz").status, 200);
    until("the log", || daemon.line(", database 3").is_some());
    assert_eq!(daemon.line("sesame"), None);

    // Without the right to write everything else goes on, and what is missing is told.
    redis.command(&["ACL", "SETUSER", "daemon", "-xadd"]);
    assert_refused(&daemon, "NOPERM the user may not XADD");
    assert_eq!(backend(&daemon, "refused.example"), None);
    assert_eq!(daemon.get("/healthz").json()["parts"], serde_json::json!(["store"]));
    redis.command(&["ACL", "SETUSER", "daemon", "+xadd"]);
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    // Each change so far has its record, and what was refused was not made either.
    until("the revision", || daemon.metric("backend_redis_followed_revision") == Some(3.0));
    assert_eq!(daemon.put("refused.example", "192.0.2.1:80").status, 201);
    assert_eq!(daemon.get("/healthz").status, 200);
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
    assert_eq!(published(&reader, "a").as_deref(), Some("192.0.2.1:80"));
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
    assert_eq!(published(&daemon.reader(), "a").as_deref(), Some("192.0.2.2:80"));
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

/// A map that was in a file until now must not be overwritten by one from Redis.
#[test]
fn a_store_of_its_own_is_no_copy() {
    let Some(redis) = start_redis(&[]) else { return };
    let mut daemon = Daemon::start();
    assert_eq!(daemon.put("a", "192.0.2.1:80").status, 201);
    daemon.end("-TERM");
    let map = daemon.path("map.redb");
    let command = |file: &Path| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_backend"));
        command.env_clear().args(["--store", &redis_url(&redis), "--store-copy"]).arg(file);
        command.arg("--publish").arg(daemon.path("map")).arg("--socket").arg(daemon.path("api.sock"));
        command.output().unwrap()
    };
    let output = command(&map);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("it is a store of its own and no copy"), "{error}");
    let daemon = daemon.again();
    assert_eq!(backend(&daemon, "a").as_deref(), Some("192.0.2.1:80"));
}
