//! Several daemons on one map in Redis, and what happens to it.

mod away;
mod encrypted;
mod foreign;
mod nodes;

use super::{Daemon, redis_url};
use test_services::Redis;

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
