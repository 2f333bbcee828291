//! What a cache does while all is well.

use super::{cache, get, set, start, wait, PATIENCE};
use plugin_host::Status;
use std::time::{Duration, Instant};
use test_services::RedisReply;

#[test]
fn values_are_kept_replaced_and_removed() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    assert_eq!(get(&cache, "k"), Ok(None));
    set(&cache, "k", "one").unwrap();
    set(&cache, "k", "two").unwrap();
    assert_eq!(get(&cache, "k"), Ok(Some("two".to_owned())));
    assert_eq!(wait(cache.remove(b"k")), Ok(true));
    assert_eq!(wait(cache.remove(b"k")), Ok(false));
    assert_eq!(get(&cache, "k"), Ok(None));
}

#[test]
fn keys_and_values_are_any_bytes_of_any_length() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    let large: Vec<u8> = (0..2_000_000_u32).map(|number| number as u8).collect();
    for (key, value) in [(&b"\0\r\n\xff"[..], &b"\r\n$1\r\n\0\xff"[..]), (b"", b""), (b"large", &large)] {
        wait(cache.set(key, value, None)).unwrap();
        assert_eq!(wait(cache.get(key)).unwrap().as_deref(), Some(value));
    }
}

#[test]
fn redis_expires_values_and_forgets_the_expiry_of_replaced_ones() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    let started = Instant::now();
    wait(cache.set(b"k", b"v", Some(Duration::from_millis(60)))).unwrap();
    wait(cache.set(b"kept", b"old", Some(Duration::from_millis(60)))).unwrap();
    set(&cache, "kept", "new").unwrap();
    test_services::wait_for("the expiry", PATIENCE, || get(&cache, "k").unwrap().is_none().then_some(()));
    assert!(started.elapsed() >= Duration::from_millis(60));
    assert_eq!(get(&cache, "kept"), Ok(Some("new".to_owned())));
    wait(cache.set(b"long", b"v", Some(Duration::from_secs(15)))).unwrap();
    let RedisReply::Text(left) = redis.command(&["PTTL", "long"]) else { panic!("PTTL gives a number") };
    assert!((14_000..=15_000).contains(&left.parse().unwrap()), "{left}");
    wait(cache.set(b"for ages", b"v", Some(Duration::MAX))).unwrap();
    assert_eq!(redis.command(&["PTTL", "for ages"]), RedisReply::Text("-1".to_owned()));
}

#[test]
fn instances_share_what_their_prefix_and_database_share() {
    let Some(redis) = start(&[]) else { return };
    let (one, same) = (cache(&redis, r#""prefix": "a:""#), cache(&redis, r#""prefix": "a:""#));
    let (other, elsewhere) =
        (cache(&redis, r#""prefix": "b:""#), cache(&redis, r#""prefix": "a:", "database": 3"#));
    set(&one, "k", "v").unwrap();
    assert_eq!(get(&same, "k"), Ok(Some("v".to_owned())));
    assert_eq!(get(&other, "k"), Ok(None));
    assert_eq!(get(&elsewhere, "k"), Ok(None));
    assert_eq!(redis.command(&["GET", "a:k"]), RedisReply::Value(Some(b"v".to_vec())));
    assert_eq!(wait(other.remove(b"k")), Ok(false));
    assert_eq!(wait(same.remove(b"k")), Ok(true));
    assert_eq!(get(&one, "k"), Ok(None));
}

#[test]
fn calls_of_one_thread_are_done_in_their_order() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    for round in 0..200 {
        let value = round.to_string();
        let (set, got) = (cache.set(b"k", value.as_bytes(), None), cache.get(b"k"));
        let removed = cache.remove(b"k");
        wait(set).unwrap();
        assert_eq!(wait(got).unwrap().as_deref(), Some(value.as_bytes()));
        assert_eq!(wait(removed), Ok(true));
    }
}

#[test]
fn many_calls_of_many_threads_get_their_own_answers() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                let key = |number: u32| format!("{thread}/{number}");
                let sets: Vec<_> =
                    (0..500).map(|n| cache.set(key(n).as_bytes(), key(n).as_bytes(), None)).collect();
                sets.into_iter().for_each(|set| wait(set).unwrap());
                let gets: Vec<_> = (0..500).map(|n| cache.get(key(n).as_bytes())).collect();
                for (number, got) in (0..500).zip(gets) {
                    assert_eq!(wait(got).unwrap(), Some(key(number).into_bytes()));
                }
            });
        }
    });
}

/// A flood is refused beyond the bound, and what was let in is answered.
#[test]
fn calls_beyond_the_bound_are_refused_at_once() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, r#""most-calls": 100, "command-timeout-ms": 10000"#);
    redis.tell(&["DEBUG", "SLEEP", "0.3"]);
    let replies: Vec<_> = (0..1_000).map(|_| cache.get(b"k")).collect();
    let outcomes: Vec<_> = replies.into_iter().map(wait).collect();
    let refused = |outcome: &&Result<_, plugin_host::CallError>| {
        outcome.as_ref().err().is_some_and(|error| error.status == Status::LIMIT_EXCEEDED)
    };
    let refusals = outcomes.iter().filter(refused).count();
    let answered = outcomes.iter().filter(|outcome| **outcome == Ok(None)).count();
    assert_eq!(refusals + answered, 1_000);
    assert!(answered >= 100 && refusals > 0, "{answered} answered, {refusals} refused");
    assert_eq!(get(&cache, "k"), Ok(None));
}

#[test]
fn what_redis_refuses_fails_alone() {
    let Some(redis) = start(&[]) else { return };
    let cache = cache(&redis, "");
    redis.command(&["RPUSH", "list", "1"]);
    let (list, other) = (cache.get(b"list"), cache.get(b"other"));
    let error = wait(list).unwrap_err();
    assert_eq!(error.status, Status::FAILED);
    assert!(error.message.contains("WRONGTYPE"), "{}", error.message);
    assert_eq!(wait(other), Ok(None));
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = wait(cache.set(b"k", b"v", None)).unwrap_err();
    assert_eq!(error.status, Status::LIMIT_EXCEEDED, "{}", error.message);
    cache.health().unwrap();
}
