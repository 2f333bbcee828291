//! Shares by weight, without memory of the hosts that it is used for.

/// Spreads choices evenly over weights, also when it serves many hosts in turns.
///
/// Each turn moves on by the golden ratio of the circle (a Weyl sequence: Knuth, The Art of Computer Programming 3.3.3), so
/// that any number of turns in a row comes close to the shares; chance would need many more, and a position kept for every
/// host would need memory for every host.
#[derive(Debug, Default)]
pub struct Wheel(u64);

/// 2^64 divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Wheel {
    /// A wheel whose turns differ from those of another seed, for processes that serve the same hosts.
    pub fn from_seed(seed: u64) -> Wheel {
        Wheel(seed.wrapping_mul(STEP).rotate_left(u64::BITS / 2))
    }

    /// Chooses one of `candidates`, pairs of something and its weight; `None` if there are none. One of weight 0 is never
    /// chosen while there is another.
    pub fn choose<T: Copy>(&mut self, candidates: impl Iterator<Item = (T, u32)> + Clone) -> Option<T> {
        let total: u64 = candidates.clone().map(|(_, weight)| u64::from(weight)).sum();
        let Some(mut place) = self.turn(total) else {
            return candidates.map(|(candidate, _)| candidate).next();
        };
        for (candidate, weight) in candidates {
            match place.checked_sub(u64::from(weight)) {
                Some(rest) => place = rest,
                None => return Some(candidate),
            }
        }
        None
    }

    /// A place below `total`, if there is any.
    fn turn(&mut self, total: u64) -> Option<u64> {
        self.0 = self.0.wrapping_add(STEP);
        let place = (u128::from(self.0) * u128::from(total)) >> u64::BITS;
        (total > 0).then(|| u64::try_from(place).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(wheel: &mut Wheel, weights: &[u32], turns: usize) -> Vec<usize> {
        let mut chosen = vec![0; weights.len()];
        for _ in 0..turns {
            let one = wheel.choose(weights.iter().copied().enumerate()).unwrap();
            chosen[one] += 1;
        }
        chosen
    }

    #[test]
    fn nothing_is_chosen_of_nothing() {
        assert_eq!(Wheel::default().choose(std::iter::empty::<(u8, u32)>()), None);
        assert_eq!(Wheel::default().choose([(7, 0)].into_iter()), Some(7));
    }

    #[test]
    fn hosts_in_turns_get_their_shares_too() {
        let mut wheel = Wheel::default();
        let mut chosen = [0_u32; 2];
        for _ in 0..100 {
            wheel.choose([((), 1)].into_iter());
            chosen[wheel.choose([(0_usize, 3), (1, 1)].into_iter()).unwrap()] += 1;
        }
        assert!(chosen[0].abs_diff(75) <= 3, "{chosen:?}");
    }

    proptest! {
        #[test]
        fn any_hundred_turns_come_close_to_the_weights(
            start: u64,
            weights in prop::collection::vec(0_u32..1000, 1..6),
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let total: u32 = weights.iter().sum();
            let chosen = shares(&mut Wheel(start), &weights, 100);
            for (weight, chosen) in weights.iter().zip(chosen) {
                let wanted = f64::from(*weight) * 100.0 / f64::from(total);
                prop_assert!((wanted - chosen as f64).abs() < 6.0, "{wanted} {chosen}");
                prop_assert!(*weight > 0 || chosen == 0);
            }
        }
    }
}
