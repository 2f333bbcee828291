//! How far a run is: a line for each suite that is done, also where no terminal shows bars.

use std::time::Duration;

/// How a run stands when one more suite is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace<'a> {
    /// The suite.
    pub(crate) suite: &'a str,
    /// How many are done.
    pub(crate) done: usize,
    /// How many there are.
    pub(crate) total: usize,
    /// How many samples this one took.
    pub(crate) samples: usize,
    /// How long this one took.
    pub(crate) took: Duration,
    /// How long all did that are done.
    pub(crate) elapsed: Duration,
}

impl Pace<'_> {
    /// The line, without its end.
    pub(crate) fn line(&self) -> String {
        let left = self.total.saturating_sub(self.done);
        let rest = if left == 0 {
            format!("all suites took {}", words(self.elapsed))
        } else {
            let expected = self.elapsed * left as u32 / self.done.max(1) as u32;
            format!("about {} left if the others take as long", words(expected))
        };
        format!(
            "bench: {} ({} of {}): {} samples in {}; {rest}",
            self.suite,
            self.done,
            self.total,
            self.samples,
            words(self.took)
        )
    }
}

/// `5 min 24 s`.
fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_guessed_from_what_is_done() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let pace =
            Pace { suite: "ngx", done: 2, total: 5, samples: 312, took: minutes(8), elapsed: minutes(10) };
        assert_eq!(
            pace.line(),
            "bench: ngx (2 of 5): 312 samples in 8 min 0 s; about 15 min 0 s left if the others take as long"
        );
        let last = Pace { done: 5, took: Duration::from_millis(900), ..pace };
        assert_eq!(last.line(), "bench: ngx (5 of 5): 312 samples in 0 s; all suites took 10 min 0 s");
    }
}
