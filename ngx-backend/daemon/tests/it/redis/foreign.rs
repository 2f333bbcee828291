//! What Redis has or allows is not what a daemon expects.

use super::{CHANGES, ENTRIES, assert_refused, backend, node, trouble};
use crate::{Daemon, published, redis_url, start_redis, until};
use std::path::Path;
use test_services::{RedisReply, Relay};

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
