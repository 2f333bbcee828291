//! How long the parts of a run took. Printed on request, never written into the report.

use std::fmt;
use std::time::{Duration, Instant};

/// Laps of one run and the probes in it.
pub(crate) struct Timings {
    started: Instant,
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
    native: Vec<f64>,
    emulated: Vec<f64>,
    native_scenarios: Vec<f64>,
    emulated_scenarios: Vec<f64>,
}

impl Timings {
    /// Starts the clock.
    pub(crate) fn start() -> Timings {
        let now = Instant::now();
        Timings {
            started: now,
            last: now,
            laps: Vec::new(),
            native: Vec::new(),
            emulated: Vec::new(),
            native_scenarios: Vec::new(),
            emulated_scenarios: Vec::new(),
        }
    }

    /// Ends the part called `name`.
    pub(crate) fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, now - self.last));
        self.last = now;
    }

    /// Adds one probe's time in milliseconds.
    pub(crate) fn probe(&mut self, emulated: bool, millis: f64) {
        if emulated { &mut self.emulated } else { &mut self.native }.push(millis);
    }

    /// Adds the time of one scenario, sandbox included.
    pub(crate) fn scenario(&mut self, emulated: bool, time: Duration) {
        let times = if emulated { &mut self.emulated_scenarios } else { &mut self.native_scenarios };
        times.push(time.as_secs_f64() * 1e3);
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, lap) in &self.laps {
            writeln!(f, "{name:<20} {:>8.1} s", lap.as_secs_f64())?;
        }
        writeln!(f, "{:<20} {:>8.1} s", "all", self.started.elapsed().as_secs_f64())?;
        for (name, times) in [
            ("a probe, native", &self.native),
            ("a probe, emulated", &self.emulated),
            ("a scenario, native", &self.native_scenarios),
            ("a scenario, emulated", &self.emulated_scenarios),
        ] {
            if let Some(median) = median(times) {
                writeln!(f, "{name:<20} {median:>8.0} ms, median of {}", times.len())?;
            }
        }
        Ok(())
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_summed_up_by_their_median() {
        let mut timings = Timings::start();
        timings.lap("artifacts");
        for millis in [30.0, 10.0, 20.0] {
            timings.probe(false, millis);
        }
        let text = timings.to_string();
        timings.scenario(false, Duration::from_millis(70));
        let text = format!("{text}{timings}");
        assert!(text.contains("20 ms, median of 3"), "{text}");
        assert!(text.contains("a scenario, native         70 ms, median of 1"), "{text}");
        assert!(!text.contains("emulated"), "{text}");
    }
}
