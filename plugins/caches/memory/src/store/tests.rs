use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const SECOND: u64 = 1_000_000_000;

fn store(entries: usize, bytes: usize, cores: usize) -> Store {
    Store::new(Bounds { entries, bytes }, cores)
}

fn roomy() -> Store {
    store(65_536, 64 << 20, 2)
}

fn numbered(number: usize) -> [u8; 8] {
    number.to_be_bytes()
}

impl Store {
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn notes(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).notes()).sum()
    }

    fn text(&self, key: &[u8], now: u64) -> Option<String> {
        self.get(key, now).map(|value| String::from_utf8(value.to_vec()).unwrap())
    }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn a_value_lives_for_its_time_and_not_a_moment_longer() {
    let store = roomy();
    store.set(b"k", b"v", seconds(2), SECOND).unwrap();
    assert_eq!(store.text(b"k", 3 * SECOND - 1).as_deref(), Some("v"));
    assert_eq!(store.get(b"k", 3 * SECOND), None);
    assert!(!store.remove(b"k", 3 * SECOND), "what has expired was not there");
    store.set(b"for ever", b"v", None, 0).unwrap();
    store.set(b"for ages", b"v", Some(Duration::MAX), 5).unwrap();
    for key in [&b"for ever"[..], b"for ages"] {
        assert_eq!(store.text(key, u64::MAX - 1).as_deref(), Some("v"));
    }
}

#[test]
fn expiry_of_an_old_value_spares_the_one_that_replaced_it() {
    let store = store(16, 64 << 10, 1);
    store.set(b"k", b"old", seconds(1), 0).unwrap();
    store.set(b"k", b"new", seconds(100), SECOND / 2).unwrap();
    // Everything that may sweep does, at the moment at which the old value would have gone.
    for number in 0..100 {
        store.get(&numbered(number), 2 * SECOND);
        store.set(b"other", b"v", seconds(1), 2 * SECOND + number as u64).unwrap();
    }
    assert_eq!(store.text(b"k", 99 * SECOND).as_deref(), Some("new"));
    store.set(b"k", b"for ever", None, 99 * SECOND).unwrap();
    store.set(b"other", b"v", None, 200 * SECOND).unwrap();
    assert_eq!(store.text(b"k", 1_000 * SECOND).as_deref(), Some("for ever"));
}

#[test]
fn expired_values_leave_though_nobody_asks_for_them() {
    let store = roomy();
    for number in 0..10_000 {
        store.set(&numbered(number), b"v", seconds(1), 0).unwrap();
    }
    assert_eq!(store.len(), 10_000);
    // Each call removes a few: a tenth as many calls for other keys suffice for all.
    for number in 0..1_000 {
        store.set(&numbered(1_000_000 + number), b"v", seconds(10), 2 * SECOND).unwrap();
    }
    for number in 0..1_000 {
        assert_eq!(store.get(&numbered(2_000_000 + number), 2 * SECOND), None);
    }
    assert_eq!((store.len(), store.notes()), (1_000, 1_000));
}

#[test]
fn neither_bound_is_exceeded() {
    for (entries, bytes, cores) in [
        (16, 64 << 10, 1),
        (1_000, 64 << 10, 2),
        (65_536, 1 << 20, 2),
        (5_000, 16 << 20, 64),
        (100_000, 64 << 20, 3),
    ] {
        let store = store(entries, bytes, cores);
        let value = [b'v'; 100];
        for number in 0..3 * entries {
            store.set(&numbered(number), &value, seconds(60), 0).unwrap();
        }
        let fit = entries.min(bytes / (value.len() + 8 + OVERHEAD));
        let len = store.len();
        assert!(len <= fit, "{len} entries where {fit} fit");
        // Shards fill unevenly, but the bound is not far.
        assert!(len >= fit * 3 / 4, "{len} entries where {fit} fit");
        assert!(store.notes() <= 2 * len + 64 * store.shards(), "{} notes of {len} entries", store.notes());
    }
}

#[test]
fn a_key_that_is_set_for_ever_takes_no_more_and_more() {
    let store = roomy();
    for number in 0..100_000 {
        store.set(b"k", &numbered(number), seconds(3_600), number as u64).unwrap();
    }
    assert_eq!(store.len(), 1);
    assert!(store.notes() <= 66, "{}", store.notes());
    for number in 0..100_000 {
        store.set(&numbered(number), b"v", seconds(3_600), 0).unwrap();
        assert!(store.remove(&numbered(number), 0));
    }
    assert_eq!(store.len(), 1);
    assert!(store.notes() <= 66 * store.shards(), "{}", store.notes());
}

#[test]
fn what_is_asked_for_stays_when_others_must_go() {
    let store = store(1_024, 64 << 20, 1);
    for number in 0..512 {
        store.set(&numbered(number), b"v", None, 0).unwrap();
    }
    for stranger in 10_000..20_000 {
        store.set(&numbered(stranger), b"v", None, 0).unwrap();
        store.get(&numbered(stranger % 512), 0);
    }
    let stayed = (0..512).filter(|number| store.get(&numbered(*number), 0).is_some()).count();
    assert!(stayed > 500, "{stayed} of 512");
}

#[test]
fn a_value_that_is_too_large_is_refused_and_the_old_one_gone() {
    let store = store(16, 64 << 10, 1);
    store.set(b"k", b"small", None, 0).unwrap();
    let most = store.most_bytes;
    store.set(b"k", &vec![b'v'; most - 1], None, 0).unwrap();
    assert_eq!(store.get(b"k", 0).map(|value| value.len()), Some(most - 1));
    assert_eq!(store.set(b"k", &vec![b'v'; most], None, 0), Err(TooLarge { given: most + 1, most }));
    assert_eq!(store.get(b"k", 0), None);
}

#[test]
fn shards_are_as_many_as_are_worth_it() {
    for (entries, bytes, cores, shards) in [
        (65_536, 64 << 20, 2, 8),
        (65_536, 64 << 20, 3, 8),
        (65_536, 64 << 20, 64, 64),
        (16, 64 << 20, 64, 1),
        (1_000, 64 << 20, 64, 8),
        (65_536, 64 << 10, 64, 1),
    ] {
        assert_eq!(store(entries, bytes, cores).shards(), shards);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Option<u64>),
    Get(u8),
    Remove(u8),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_u8, prop::option::of(1..5_u64)).prop_map(|(key, time)| Step::Set(key, time)),
        (0..20_u8).prop_map(Step::Get),
        (0..20_u8).prop_map(Step::Remove),
        (0..3 * SECOND).prop_map(Step::Wait),
    ]
}

proptest! {
    /// With room for all, the store is a map whose values expire.
    #[test]
    fn it_is_a_map_whose_values_expire(steps in prop::collection::vec(step(), 1..300)) {
        let (store, mut model, mut now) = (roomy(), HashMap::new(), 0);
        for (number, step) in steps.into_iter().enumerate() {
            let live = |model: &HashMap<u8, (u64, usize)>, key| {
                model.get(&key).filter(|(expires, _)| now < *expires).map(|(_, value)| numbered(*value).to_vec())
            };
            match step {
                Step::Set(key, time) => {
                    store.set(&[key], &numbered(number), time.and_then(seconds), now).unwrap();
                    model.insert(key, (time.map_or(u64::MAX, |time| now + time * SECOND), number));
                }
                Step::Get(key) => {
                    prop_assert_eq!(store.get(&[key], now).map(|value| value.to_vec()), live(&model, key));
                }
                Step::Remove(key) => {
                    prop_assert_eq!(store.remove(&[key], now), live(&model, key).is_some());
                    model.remove(&key);
                }
                Step::Wait(time) => now += time,
            }
        }
    }
}
