//! Which of several upstreams a request goes to.
//!
//! At random by weight. Going round by weight would spread requests more evenly over seconds, but needs a state for each host in
//! each worker, which for a million hosts costs more than their table; and workers that go round by themselves meet at the same
//! upstream at the same time.

/// The place of one among `weights`, each as probable as its share of their sum; `random` is any number, equally distributed.
///
/// `None` if there is none, or all weights are 0.
pub fn choose(weights: impl Iterator<Item = u16> + Clone, random: u64) -> Option<usize> {
    let sum: u64 = weights.clone().map(u64::from).sum();
    // The upper half of the product is a number below `sum` without a division.
    let mut left = u64::try_from((u128::from(random) * u128::from(sum)) >> 64).ok()?;
    for (place, weight) in weights.enumerate() {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return Some(place),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_weights() {
        let weights = [3_u16, 0, 1];
        let mut chosen = [0; 3];
        for step in 0..4_000_u64 {
            chosen[choose(weights.iter().copied(), step * (u64::MAX / 4_000)).unwrap()] += 1;
        }
        assert_eq!(chosen[1], 0);
        assert!((2_998..=3_002).contains(&chosen[0]), "{chosen:?}");
        assert_eq!(choose([1].into_iter(), u64::MAX), Some(0));
        assert_eq!(choose([0, 0].into_iter(), 7), None);
        assert_eq!(choose([].into_iter(), 7), None);
    }
}
