//! Redis goes, stalls and comes back.

use super::{address, cache, cache_at, get, lines, set, start, until_away, until_healthy, wait, PATIENCE};
use plugin_host::Status;
use std::time::{Duration, Instant};
use test_services::Relay;

const SOON: &str = r#""longest-pause-ms": 100"#;

#[test]
fn a_restart_in_the_middle_fails_calls_until_it_is_over() {
    let Some(mut redis) = start(&[]) else { return };
    let cache = cache(&redis, SOON);
    set(&cache, "k", "v").unwrap();
    redis.stop();
    let reason = until_away(&cache);
    assert!(reason.contains("is away: ") || reason.contains("cannot reach"), "{reason}");
    let started = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(get(&cache, "k").unwrap_err().status, Status::UNAVAILABLE);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "calls waited for Redis");

    redis.start_again().unwrap();
    until_healthy(&cache);
    assert_eq!(get(&cache, "k"), Ok(None));
    set(&cache, "k", "v").unwrap();
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));

    // A line for each change, none for each call.
    let lines = lines(&redis.socket().display().to_string());
    assert!(lines[0].starts_with("connected to Redis at "), "{lines:#?}");
    assert!(lines[1].starts_with("lost the connection to Redis at "), "{lines:#?}");
    assert!(lines[2].contains("trying again until it works"), "{lines:#?}");
    assert!(lines.last().unwrap().contains("again after "), "{lines:#?}");
    assert!(lines.len() <= 6, "{lines:#?}");
}

#[test]
fn an_instance_that_came_before_redis_works_when_it_is_there() {
    let Some(mut redis) = start(&[]) else { return };
    redis.stop();
    let cache = cache(&redis, SOON);
    let error = get(&cache, "k").unwrap_err();
    assert_eq!(error.status, Status::UNAVAILABLE);
    assert!(error.message.contains("cannot reach Redis at"), "{}", error.message);
    assert_eq!(cache.health().unwrap_err().status, Status::UNAVAILABLE);

    let required = cache_at(&address(&redis), r#""required": true"#).unwrap_err().to_string();
    assert!(required.contains("cannot reach Redis at"), "{required}");

    redis.start_again().unwrap();
    until_healthy(&cache);
    set(&cache, "k", "v").unwrap();
    cache_at(&address(&redis), r#""required": true"#).unwrap();
}

#[test]
fn connections_that_are_cut_are_made_again() {
    let Some(redis) = start(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let cache = cache_at(&relay.address().to_string(), SOON).unwrap();
    set(&cache, "k", "v").unwrap();
    for round in 1..=5 {
        // In the middle of calls: answers are held back, and then never come.
        relay.stall(true);
        let open: Vec<_> = (0..100).map(|_| cache.get(b"k")).collect();
        relay.cut();
        relay.stall(false);
        for reply in open {
            match wait(reply) {
                Ok(value) => assert_eq!(value.as_deref(), Some(&b"v"[..])),
                Err(error) => assert_eq!(error.status, Status::UNAVAILABLE, "{}", error.message),
            }
        }
        test_services::wait_for("another connection", PATIENCE, || (relay.accepted() > round).then_some(()));
        until_healthy(&cache);
        assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));
    }
}

#[test]
fn a_slow_redis_times_calls_out_and_is_used_again() {
    let Some(redis) = start(&[]) else { return };
    let cache =
        cache(&redis, r#""command-timeout-ms": 100, "connect-timeout-ms": 100, "longest-pause-ms": 100"#);
    set(&cache, "k", "v").unwrap();
    redis.tell(&["DEBUG", "SLEEP", "1"]);
    let asleep = test_services::wait_for("a time-out", PATIENCE, || get(&cache, "k").err());
    assert_eq!(asleep.status, Status::TIMED_OUT);
    assert!(asleep.message.contains("did not answer within 100ms"), "{}", asleep.message);
    // Now it is known to be slow, and nobody waits for it any more.
    let started = Instant::now();
    assert_eq!(get(&cache, "k").unwrap_err().status, Status::UNAVAILABLE);
    assert!(started.elapsed() < Duration::from_millis(100));
    until_healthy(&cache);
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));
}

#[test]
fn a_network_that_swallows_everything_is_noticed() {
    let Some(redis) = start(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let settings = r#""command-timeout-ms": 100, "connect-timeout-ms": 100, "longest-pause-ms": 100"#;
    let cache = cache_at(&relay.address().to_string(), settings).unwrap();
    relay.stall(true);
    assert_eq!(get(&cache, "k").unwrap_err().status, Status::TIMED_OUT);
    let reason = test_services::wait_for("a failed attempt", PATIENCE, || {
        cache.health().err().filter(|error| error.message.contains("no answer from Redis"))
    });
    assert!(reason.message.contains("within 100ms"), "{}", reason.message);
    relay.stall(false);
    until_healthy(&cache);
    assert_eq!(get(&cache, "k"), Ok(None));
}

/// The end of an instance answers what is open, and takes its thread and connection with it.
#[test]
fn an_instance_ends_with_its_calls_answered() {
    let Some(redis) = start(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let cache = cache_at(&relay.address().to_string(), r#""command-timeout-ms": 100"#).unwrap();
    set(&cache, "k", "v").unwrap();
    relay.stall(true);
    let open: Vec<_> = (0..10).map(|_| cache.get(b"k")).collect();
    drop(cache);
    for reply in open {
        // Answered before the end, so that there is nothing to wait for.
        assert_eq!(reply.wait(Duration::ZERO).expect("an answer").unwrap_err().status, Status::TIMED_OUT);
    }
    relay.stall(false);
    let clients = || match redis.command(&["CLIENT", "LIST", "TYPE", "normal"]) {
        test_services::RedisReply::Value(Some(list)) => list.iter().filter(|byte| **byte == b'\n').count(),
        other => panic!("{other:?}"),
    };
    // The one that asks is there, too.
    test_services::wait_for("the end of its connection", PATIENCE, || (clients() == 1).then_some(()));

    let prompt = super::cache(&redis, "");
    let (set, got) = (prompt.set(b"k", b"last", None), prompt.get(b"k"));
    drop(prompt);
    assert_eq!(set.wait(Duration::ZERO), Some(Ok(())));
    assert_eq!(got.wait(Duration::ZERO), Some(Ok(Some(b"last".to_vec()))));
}

/// Neither a long pause nor an attempt that nobody answers delays the end.
#[test]
fn an_instance_ends_at_once_while_redis_is_away() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let settings = r#""connect-timeout-ms": 200, "longest-pause-ms": 3600000"#;
        let cache = cache_at(&address.to_string(), settings).unwrap();
        let reason = cache.health().unwrap_err().message;
        assert!(reason.contains(&address.to_string()), "{reason}");
        let started = Instant::now();
        drop(cache);
        assert!(started.elapsed() < Duration::from_secs(2), "{address}: {:?}", started.elapsed());
    }
}
