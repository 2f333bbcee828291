//! What verifications cost, seen from outside: by the time they take. A hash takes thousands of times as long as all the rest, so
//! that a factor of ten tells them apart on any machine.

use crate::{basic_auth, knock};
use plugin_host::{Before, MiddlewareInstance};
use std::time::{Duration, Instant};

/// `password` with a cost of 8, by the crate that verifies it.
fn settings(further: &str) -> String {
    let hash = bcrypt::hash_with_salt("password", 8, *b"sixteen bytes it").unwrap();
    format!(r#"{{"users": {{"alice": "{hash}"}}{further}}}"#)
}

/// Whether he is let in, and how long it took.
fn timed(instance: &MiddlewareInstance, user: &str, password: &str) -> (bool, Duration) {
    let request = knock(user, password, &[]);
    let request = request.lend();
    let started = Instant::now();
    let is_let_in = matches!(instance.before(&request).unwrap(), Before::Continue { .. });
    (is_let_in, started.elapsed())
}

/// The shortest of a few times: whatever else runs on the machine only adds.
fn shortest(instance: &MiddlewareInstance, user: &str, password: &str, expected: bool) -> Duration {
    let once = |_| {
        let (is_let_in, time) = timed(instance, user, password);
        assert_eq!(is_let_in, expected, "{user}");
        time
    };
    (0..3).map(once).min().unwrap()
}

#[test]
fn a_name_that_is_not_known_takes_as_long_as_one_that_is() {
    let instance = basic_auth(&settings(""));
    let known = shortest(&instance, "alice", "wrong", false);
    for name in ["bob", "carol", ""] {
        let unknown = shortest(&instance, name, "wrong", false);
        assert!(unknown > known / 4 && unknown < known * 4, "{name:?}: {unknown:?}, alice: {known:?}");
    }
}

#[test]
fn who_was_let_in_is_remembered_for_a_while() {
    let instance = basic_auth(&settings(""));
    let (is_let_in, first) = timed(&instance, "alice", "password");
    assert!(is_let_in);
    let again = shortest(&instance, "alice", "password", true);
    assert!(again < first / 10, "{again:?} after {first:?}");
    // Nobody else profits, and a failure is not remembered.
    for (user, password) in [("alice", "wrong"), ("bob", "password"), ("alice", ""), ("", "password")] {
        assert!(shortest(&instance, user, password, false) > first / 10, "{user}");
    }
    for further in [r#", "remember-seconds": 0"#, r#", "most-remembered": 0"#] {
        let instance = basic_auth(&settings(further));
        assert!(shortest(&instance, "alice", "password", true) > first / 10, "{further}");
    }
}

/// Fifty requests of one page, all at once: most find the pair remembered when their turn comes.
#[test]
fn requests_that_wait_for_their_turn_profit_from_the_first() {
    let instance = basic_auth(&settings(r#", "at-once": 2"#));
    let (_, one) = timed(&instance, "alice", "wrong");
    let started = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..50).map(|_| scope.spawn(|| timed(&instance, "alice", "password").0)).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
    assert!(started.elapsed() < one * 25, "{:?} after {one:?}", started.elapsed());
}
