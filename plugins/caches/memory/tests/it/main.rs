//! The plugin through the contract's tables, as a host drives it. How time passes is tested where it can be chosen.

use memory_cache::PLUGIN;
use plugin_host::{CacheInstance, CallError, Reply, Status};
use plugin_testing::cache;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What was answered before the call returned.
fn at_once<T>(reply: Reply<Result<T, CallError>>) -> Result<T, CallError> {
    reply.wait(Duration::ZERO).expect("an answer at once")
}

fn get(cache: &CacheInstance, key: &[u8]) -> Option<Vec<u8>> {
    at_once(cache.get(key)).unwrap()
}

#[test]
fn values_are_kept_replaced_and_removed_at_once() {
    let cache = cache(&PLUGIN, "", None).unwrap();
    assert_eq!(get(&cache, b"k"), None);
    at_once(cache.set(b"k", b"\0\xff", None)).unwrap();
    assert_eq!(get(&cache, b"k").as_deref(), Some(&b"\0\xff"[..]));
    at_once(cache.set(b"k", b"", Some(Duration::from_secs(60)))).unwrap();
    assert_eq!(get(&cache, b"k").as_deref(), Some(&b""[..]));
    at_once(cache.set(b"", b"of the empty key", None)).unwrap();
    assert_eq!(get(&cache, b"").as_deref(), Some(&b"of the empty key"[..]));
    assert!(at_once(cache.remove(b"k")).unwrap());
    assert!(!at_once(cache.remove(b"k")).unwrap());
    assert_eq!(get(&cache, b"k"), None);
    cache.health().unwrap();
}

#[test]
fn a_value_expires() {
    let cache = cache(&PLUGIN, "", None).unwrap();
    let set = Instant::now();
    at_once(cache.set(b"k", b"v", Some(Duration::from_millis(50)))).unwrap();
    while get(&cache, b"k").is_some() {
        assert!(set.elapsed() < Duration::from_secs(10), "still there");
        std::thread::yield_now();
    }
    assert!(set.elapsed() >= Duration::from_millis(50));
}

#[test]
fn instances_share_nothing() {
    let (one, other) = (cache(&PLUGIN, "", None).unwrap(), cache(&PLUGIN, "", None).unwrap());
    at_once(one.set(b"k", b"v", None)).unwrap();
    assert_eq!(get(&other, b"k"), None);
}

#[test]
fn threads_see_each_others_values_whole() {
    let cache = cache(&PLUGIN, r#"{"entries": 256}"#, None).unwrap();
    let values = [vec![b'a'; 4_096], vec![b'b'; 10]];
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (cache, values) = (&cache, &values);
            scope.spawn(move || {
                for round in 0..5_000_usize {
                    let key = (round % 300).to_be_bytes();
                    match (round + thread) % 3 {
                        0 => at_once(cache.set(&key, &values[round % 2], Some(Duration::from_millis(1))))
                            .unwrap(),
                        1 => drop(at_once(cache.remove(&key)).unwrap()),
                        _ => assert!(get(cache, &key).is_none_or(|value| values.contains(&value))),
                    }
                }
            });
        }
    });
}

#[test]
fn bounds_are_set_logged_and_kept() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let keep = |_: &str, _, line: &str| LINES.lock().unwrap().push(line.to_owned());
    let cache = cache(&PLUGIN, r#"{"entries": 100, "bytes": 65536}"#, Some(keep)).unwrap();
    assert_eq!(*LINES.lock().unwrap(), ["keeps at most 100 entries and 64 KiB in 1 shards"]);
    for number in 0..1_000_u32 {
        at_once(cache.set(&number.to_be_bytes(), b"v", None)).unwrap();
    }
    let stayed = (0..1_000_u32).filter(|number| get(&cache, &number.to_be_bytes()).is_some()).count();
    assert!((50..=100).contains(&stayed), "{stayed}");
    let error = at_once(cache.set(b"k", &vec![0; 65_536], None)).unwrap_err();
    assert_eq!(error.status, Status::LIMIT_EXCEEDED);
    assert!(error.message.contains("65537 bytes together, at most 61184 are kept"), "{}", error.message);
}

#[test]
fn wrong_settings_are_named() {
    for (settings, part) in [
        (r#"{"entries": 0}"#, "entries: 0; write 16 to 268435456"),
        (r#"{"bytes": 1000}"#, "bytes: 1000; write 65536 to 1099511627776"),
        (r#"{"size": 1}"#, "unknown field `size`, expected `entries` or `bytes`"),
    ] {
        let error = cache(&PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}
