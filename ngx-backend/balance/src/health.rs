//! Passive health: what failed is left out for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// When an upstream is left out; the words and defaults are those of nginx's `server` directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many failures within [`Rules::fail_timeout`] and an upstream is left out; 0: it never is.
    pub max_fails: u32,
    /// How long failures count, and how long an upstream is left out. After it the next request tries the upstream, and a
    /// single failure leaves it out again.
    pub fail_timeout: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { max_fails: 1, fail_timeout: Duration::from_secs(10) }
    }
}

/// Which upstreams have failed lately. Times are those of any clock that does not go back.
#[derive(Debug)]
pub struct Health<K> {
    failing: HashMap<K, Failing>,
}

#[derive(Debug)]
struct Failing {
    fails: u32,
    last: Duration,
    rules: Rules,
}

/// Most upstreams that are remembered. Beyond it the newest failures are forgotten, so that they cost memory to nobody who
/// sends requests for many hosts.
const MOST_FAILING: usize = 10_000;

impl<K> Default for Health<K> {
    fn default() -> Self {
        Health { failing: HashMap::new() }
    }
}

impl<K: Eq + Hash> Health<K> {
    /// Whether `upstream` should get no requests at `now`.
    pub fn leaves_out(&self, upstream: &K, now: Duration) -> bool {
        self.failing.get(upstream).is_some_and(|failing| {
            let Rules { max_fails, fail_timeout } = failing.rules;
            max_fails > 0 && failing.fails >= max_fails && now.saturating_sub(failing.last) < fail_timeout
        })
    }

    /// Notes that `upstream` failed at `now`. Gives whether it is left out from now on and was not before.
    pub fn failed(&mut self, upstream: K, rules: Rules, now: Duration) -> bool {
        if rules.max_fails == 0 {
            return false;
        }
        let was_left_out = self.leaves_out(&upstream, now);
        if self.failing.len() >= MOST_FAILING && !self.failing.contains_key(&upstream) {
            self.failing.retain(|_, failing| now.saturating_sub(failing.last) < failing.rules.fail_timeout);
            if self.failing.len() >= MOST_FAILING {
                return false;
            }
        }
        let failing = self.failing.entry(upstream).or_insert(Failing { fails: 0, last: now, rules });
        let is_old = now.saturating_sub(failing.last) >= rules.fail_timeout;
        failing.fails =
            if is_old && failing.fails < rules.max_fails { 1 } else { failing.fails.saturating_add(1) };
        failing.last = now;
        failing.rules = rules;
        !was_left_out && failing.fails >= rules.max_fails
    }

    /// Whether any upstream has failed and not answered since.
    pub fn has_any(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Notes that `upstream` answered. Gives whether it had failed before.
    pub fn answered(&mut self, upstream: &K) -> bool {
        !self.failing.is_empty() && self.failing.remove(upstream).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { max_fails: 2, fail_timeout: Duration::from_secs(10) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn enough_failures_leave_an_upstream_out_for_a_while() {
        let mut health = Health::default();
        assert!(!health.failed("a", RULES, at(1)));
        assert!(!health.leaves_out(&"a", at(1)));
        assert!(health.failed("a", RULES, at(2)));
        assert!(health.leaves_out(&"a", at(2)) && health.leaves_out(&"a", at(11)));
        assert!(!health.leaves_out(&"b", at(2)));
        assert!(!health.leaves_out(&"a", at(12)));
    }

    #[test]
    fn one_failure_after_the_while_leaves_it_out_again() {
        let mut health = Health::default();
        health.failed("a", RULES, at(1));
        health.failed("a", RULES, at(1));
        assert!(!health.leaves_out(&"a", at(20)));
        assert!(health.failed("a", RULES, at(20)));
        assert!(health.leaves_out(&"a", at(21)));
    }

    #[test]
    fn an_answer_makes_good() {
        let mut health = Health::default();
        assert!(!health.answered(&"a"));
        health.failed("a", RULES, at(1));
        assert!(health.answered(&"a"));
        assert!(!health.failed("a", RULES, at(2)), "the first failure was forgotten");
    }

    #[test]
    fn failures_far_apart_do_not_add_up() {
        let mut health = Health::default();
        assert!(!health.failed("a", RULES, at(1)));
        assert!(!health.failed("a", RULES, at(11)));
        assert!(health.failed("a", RULES, at(12)));
    }

    #[test]
    fn with_max_fails_0_nothing_is_left_out() {
        let mut health = Health::default();
        assert!(!health.failed("a", Rules { max_fails: 0, ..RULES }, at(1)));
        assert!(!health.leaves_out(&"a", at(1)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut health = Health::default();
        for upstream in 0..2 * MOST_FAILING {
            health.failed(upstream, RULES, at(1));
        }
        assert_eq!(health.failing.len(), MOST_FAILING);
        health.failed(2 * MOST_FAILING, RULES, at(11));
        assert_eq!(health.failing.len(), 1, "those whose time is over make room");
    }
}
