//! The token bucket: it holds `burst` tokens, gets `rate` new ones a second, and each request takes one.
//!
//! A bucket is one number, the moment at which it will be full again; that is the generic cell rate algorithm
//! (ITU-T I.371, annex A) read backwards. Moments are nanoseconds since some start, which the caller chooses, so that a
//! test can say what time it is.

/// Rate and size of all buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Nanoseconds in which one token comes.
    interval: u64,
    /// Nanoseconds in which an empty bucket fills.
    capacity: u64,
}

/// What one token may take to come, and a bucket to fill: a year, far from any overflow.
const LONGEST_FILL: f64 = 365.0 * 86_400.0;

impl Limit {
    /// `rate` tokens a second, at most `burst` at once.
    ///
    /// # Errors
    /// Which of both is out of range.
    pub(crate) fn new(rate: f64, burst: u32) -> Result<Limit, String> {
        // Not a number is refused, too.
        if !(rate > 0.0 && rate <= 1e6) {
            return Err(format!("rate: {rate} requests a second; write more than 0 and at most 1000000"));
        }
        if burst == 0 {
            return Err("burst: 0 would refuse everything; write at least 1".to_owned());
        }
        if f64::from(burst) / rate > LONGEST_FILL {
            return Err(format!(
                "burst: at a rate of {rate} a second, {burst} requests take more than a year to come back; raise rate or lower burst"
            ));
        }
        let interval = (1e9 / rate).round() as u64;
        Ok(Limit { interval, capacity: interval * u64::from(burst) })
    }

    /// Takes a token from the bucket that is full at `full_at`, or says in how many nanoseconds there will be one.
    pub(crate) fn take(&self, full_at: &mut u64, now: u64) -> Result<(), u64> {
        let next = now.max(*full_at) + self.interval;
        match (next - now).checked_sub(self.capacity) {
            None | Some(0) => {
                *full_at = next;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_then_the_rate() {
        let limit = Limit::new(2.0, 3).unwrap();
        let mut bucket = 0;
        let mut take = |now| limit.take(&mut bucket, now);
        let start = 10 * SECOND;
        assert_eq!([take(start), take(start), take(start)], [Ok(()); 3]);
        assert_eq!(take(start), Err(SECOND / 2));
        // A refusal costs nothing.
        assert_eq!(take(start + SECOND / 2 - 1), Err(1));
        assert_eq!(take(start + SECOND / 2), Ok(()));
        assert_eq!(take(start + SECOND / 2), Err(SECOND / 2));
        // Full again, and not more than full.
        let later = start + 3_600 * SECOND;
        assert_eq!([take(later), take(later), take(later)], [Ok(()); 3]);
        assert_eq!(take(later), Err(SECOND / 2));
    }

    #[test]
    fn rates_may_be_fractions() {
        let limit = Limit::new(0.25, 1).unwrap();
        let mut bucket = 0;
        assert_eq!(limit.take(&mut bucket, SECOND), Ok(()));
        assert_eq!(limit.take(&mut bucket, 2 * SECOND), Err(3 * SECOND));
        assert_eq!(limit.take(&mut bucket, 5 * SECOND), Ok(()));
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        for (rate, burst, part) in [
            (0.0, 1, "rate: 0 requests a second"),
            (-1.0, 1, "rate: -1"),
            (f64::NAN, 1, "rate: NaN"),
            (f64::INFINITY, 1, "rate: inf"),
            (2e6, 1, "rate: 2000000"),
            (1.0, 0, "burst: 0"),
            (1e-9, 1, "burst: at a rate of 0.000000001 a second, 1 requests"),
            (1.0, u32::MAX, "more than a year"),
        ] {
            let error = Limit::new(rate, burst).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        Limit::new(1e6, u32::MAX).unwrap();
        Limit::new(1e-7, 1).unwrap();
    }

    proptest! {
        /// In any stretch of time no more than a burst and what has come meanwhile; and who waits as told gets a token.
        #[test]
        fn never_more_than_the_limit(
            rate in 0.01_f64..1e4,
            burst in 1_u32..50,
            gaps in prop::collection::vec(0_u64..2 * SECOND, 1..200),
        ) {
            let limit = Limit::new(rate, burst).unwrap();
            let (mut bucket, mut now, mut taken) = (0, SECOND, Vec::new());
            for gap in gaps {
                now += gap;
                match limit.take(&mut bucket, now) {
                    Ok(()) => taken.push(now),
                    Err(wait) => {
                        prop_assert!(wait <= limit.interval);
                        prop_assert_eq!(limit.take(&mut bucket.clone(), now + wait), Ok(()));
                    }
                }
            }
            for (first, start) in taken.iter().enumerate() {
                for (last, end) in taken.iter().enumerate().skip(first) {
                    let allowed = u64::from(burst) + (end - start) / limit.interval;
                    prop_assert!((last - first) as u64 <= allowed, "{} in {} ns", last - first, end - start);
                }
            }
        }
    }
}
