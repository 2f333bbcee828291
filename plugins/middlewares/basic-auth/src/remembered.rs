//! Who was let in a short while ago, so that a page with fifty pictures does not cost fifty verifications.

use crate::keyed::Fingerprint;
use std::collections::HashMap;
use std::time::Duration;

/// A bounded set whose members expire. Moments are counted from some start, which the caller chooses.
#[derive(Debug)]
pub(crate) struct Remembered {
    most: usize,
    lifetime: Duration,
    /// With the moment of expiry.
    members: HashMap<Fingerprint, Duration>,
}

impl Remembered {
    /// At most so many, each for that long; nobody if either is zero.
    pub(crate) fn new(most: usize, lifetime: Duration) -> Remembered {
        Remembered { most, lifetime, members: HashMap::new() }
    }

    pub(crate) fn contains(&self, fingerprint: &Fingerprint, now: Duration) -> bool {
        self.members.get(fingerprint).is_some_and(|expiry| now < *expiry)
    }

    /// Remembers one, and forgets the one that would expire first if there are too many. Whoever is
    /// remembered already stays for as long as he would have.
    pub(crate) fn insert(&mut self, fingerprint: Fingerprint, now: Duration) {
        if self.most == 0 || self.lifetime.is_zero() || self.contains(&fingerprint, now) {
            return;
        }
        if self.members.len() >= self.most {
            self.members.retain(|_, expiry| now < *expiry);
        }
        if self.members.len() >= self.most {
            let first = self.members.iter().min_by_key(|(_, expiry)| **expiry).map(|(first, _)| *first);
            first.and_then(|first| self.members.remove(&first));
        }
        self.members.insert(fingerprint, now + self.lifetime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn members_expire_and_do_not_stay_longer_by_coming_back() {
        let mut remembered = Remembered::new(10, at(60));
        remembered.insert([1; 32], at(5));
        remembered.insert([1; 32], at(40));
        assert!(remembered.contains(&[1; 32], at(64)));
        assert!(!remembered.contains(&[1; 32], at(65)));
        assert!(!remembered.contains(&[2; 32], at(5)));
        remembered.insert([1; 32], at(65));
        assert!(remembered.contains(&[1; 32], at(124)));
    }

    #[test]
    fn there_are_never_too_many() {
        let mut remembered = Remembered::new(3, at(60));
        for number in 0..100 {
            remembered.insert([number; 32], at(u64::from(number)));
            assert!(remembered.members.len() <= 3);
        }
        let left: Vec<u8> = (0..100).filter(|number| remembered.contains(&[*number; 32], at(100))).collect();
        assert_eq!(left, [97, 98, 99]);
        // The expired make room first.
        let mut remembered = Remembered::new(2, at(60));
        remembered.insert([1; 32], at(0));
        remembered.insert([2; 32], at(50));
        remembered.insert([3; 32], at(70));
        assert!(remembered.contains(&[2; 32], at(70)) && remembered.contains(&[3; 32], at(70)));
    }

    #[test]
    fn nobody_is_remembered_if_that_is_set() {
        for mut remembered in [Remembered::new(0, at(60)), Remembered::new(3, at(0))] {
            remembered.insert([1; 32], at(0));
            assert!(remembered.members.is_empty());
        }
    }
}
