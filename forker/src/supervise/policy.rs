//! The times and bounds of supervision.

use std::time::Duration;

/// The times and bounds of supervision. All have defaults that suit a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a worker may take until it is ready; then it is killed. 30 s.
    pub ready_timeout: Duration,
    /// How long a worker may take to finish what it has begun when it is told to stop; then it is killed. 30 s.
    pub graceful_deadline: Duration,
    /// How often a worker says that it is alive. 1 s.
    pub heartbeat_interval: Duration,
    /// A worker that has been silent for so long is killed and replaced. 10 s.
    pub heartbeat_timeout: Duration,
    /// The wait before the second replacement in a row; it doubles from one to the next. The first is made at once. 50 ms.
    pub first_wait: Duration,
    /// The longest wait before a replacement. 10 s.
    pub longest_wait: Duration,
    /// A worker that was ready for so long has been well: the next replacement is again made at once. 1 s.
    pub settled_after: Duration,
    /// More deaths than this within [`Policy::death_window`] end the master. Ten, or three a worker if that is more.
    ///
    /// A SIGKILL from elsewhere that hits a ready worker says nothing of the program, and is not counted; nor is a settled
    /// worker that ends itself with code 0.
    pub most_deaths: Option<u32>,
    /// The time in which deaths are counted. 60 s.
    pub death_window: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ready_timeout: Duration::from_secs(30),
            graceful_deadline: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(1),
            heartbeat_timeout: Duration::from_secs(10),
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(10),
            settled_after: Duration::from_secs(1),
            most_deaths: None,
            death_window: Duration::from_secs(60),
        }
    }
}

impl Policy {
    pub(crate) fn most_deaths(&self, workers: usize) -> usize {
        match self.most_deaths {
            Some(most) => usize::try_from(most).unwrap_or(usize::MAX),
            None => workers.saturating_mul(3).max(10),
        }
    }

    /// The wait before the replacement after so many deaths in a row, `chance` being anything: between half and all of the
    /// doubled wait, so that workers that died together do not come back together.
    pub(crate) fn wait(&self, deaths_in_a_row: u32, chance: u64) -> Duration {
        let Some(doublings) = deaths_in_a_row.checked_sub(2) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
        let whole = self.first_wait.saturating_mul(factor).min(self.longest_wait);
        let half = whole / 2;
        // 10 bits of chance are spread enough.
        #[allow(clippy::cast_possible_truncation)]
        let part = (chance >> 54) as u32;
        whole - half * part / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let policy = Policy::default();
        let longest: Vec<_> = (0..12).map(|deaths| policy.wait(deaths, 0).as_millis()).collect();
        assert_eq!(longest, [0, 0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(policy.wait(u32::MAX, 0), policy.longest_wait);
    }

    #[test]
    fn chance_takes_at_most_half_of_a_wait() {
        let policy = Policy::default();
        for deaths in 2..20 {
            let (whole, least) = (policy.wait(deaths, 0), policy.wait(deaths, u64::MAX));
            assert!(least >= whole / 2 && least < whole, "{deaths}: {least:?} of {whole:?}");
        }
    }

    #[test]
    fn many_workers_may_die_more_often() {
        assert_eq!(Policy::default().most_deaths(2), 10);
        assert_eq!(Policy::default().most_deaths(64), 192);
        assert_eq!(Policy { most_deaths: Some(0), ..Policy::default() }.most_deaths(64), 0);
    }
}
