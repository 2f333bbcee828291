//! Figures that were promised, and what a run says of them.

use std::fmt::Write as _;

use super::metric::Metric;
use super::raw::Comparison;
use super::run::Run;
use super::statistics::{Estimate, FEWEST_PAIRS};
use crate::columns::paragraph;

/// A figure to reach.
struct Goal {
    suite: &'static str,
    series: &'static str,
    subject: &'static str,
    against: &'static str,
    metric: Metric,
    bound: Bound,
}

/// What a comparison has to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    /// The ratio is not smaller.
    AtLeast(f64),
    /// The ratio is not larger.
    AtMost(f64),
    /// The difference is not larger, in the metric's own unit.
    MoreByAtMost(f64),
}

/// How a goal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Met,
    NotMet,
    CannotTell,
}

const fn server(against: &'static str, metric: Metric, bound: Bound) -> Goal {
    Goal { suite: "server", series: "saturation", subject: "dynamic", against, metric, bound }
}

/// All of them, by suite.
const GOALS: &[Goal] = &[
    Goal {
        suite: "call",
        series: "time",
        subject: "linked",
        against: "direct",
        metric: Metric::CallSeconds,
        bound: Bound::MoreByAtMost(10e-9),
    },
    server("static", Metric::RequestsPerSecond, Bound::AtLeast(0.99)),
    server("epoll", Metric::RequestsPerSecond, Bound::AtLeast(0.85)),
    server("epoll", Metric::CpuSecondsPerRequest, Bound::AtMost(1.45)),
    server("nginx", Metric::RequestsPerSecond, Bound::AtLeast(1.0)),
    server("go-dynamic", Metric::RequestsPerSecond, Bound::AtLeast(2.3)),
    server("go-dynamic", Metric::LatencyP99Seconds, Bound::AtMost(0.333)),
];

/// Every goal, what `run` measured, and whether that meets it; fits 80 columns.
pub(crate) fn render(run: &Run) -> String {
    let mut text = String::new();
    for goal in GOALS {
        let estimate = goal.estimate(run);
        let (standing, measured) = match &estimate {
            None => (Standing::CannotTell, format!("not measured; run the suite {}", goal.suite)),
            Some(estimate) => (goal.bound.standing(estimate), goal.show(estimate)),
        };
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{:<12}{} / {}: {}", standing.words(), goal.subject, goal.against, goal.promise());
        paragraph(&mut text, 12, "", &measured);
    }
    text
}

impl Goal {
    fn estimate(&self, run: &Run) -> Option<Estimate> {
        let suite = run.suites.iter().find(|suite| suite.name == self.suite)?;
        let series = suite.series.iter().find(|series| series.name == self.series)?;
        let comparison = Comparison { subject: self.subject.to_owned(), against: self.against.to_owned() };
        let pairs = series.pairs(&comparison, self.metric);
        match self.bound {
            Bound::MoreByAtMost(_) => Estimate::of_differences(&pairs),
            Bound::AtLeast(_) | Bound::AtMost(_) => Estimate::of_ratios(&pairs),
        }
    }

    fn promise(&self) -> String {
        let what = self.metric.label();
        match self.bound {
            Bound::AtLeast(bound) => format!("{what} at least {bound}"),
            Bound::AtMost(bound) => format!("{what} at most {bound}"),
            Bound::MoreByAtMost(bound) => format!("{what} at most {} more", self.metric.show(bound)),
        }
    }

    fn show(&self, estimate: &Estimate) -> String {
        let show = |value: f64| match self.bound {
            Bound::MoreByAtMost(_) => self.metric.show(value),
            Bound::AtLeast(_) | Bound::AtMost(_) => format!("{value:.3}"),
        };
        match estimate.interval {
            Some((low, high)) => {
                format!(
                    "{} ({} to {}), {} rounds",
                    show(estimate.median),
                    show(low),
                    show(high),
                    estimate.pairs
                )
            }
            None => format!("{}, and fewer than {FEWEST_PAIRS} rounds", show(estimate.median)),
        }
    }
}

impl Bound {
    /// It is met when the whole interval keeps it, and not met when none of the interval does.
    fn standing(self, estimate: &Estimate) -> Standing {
        let Some((low, high)) = estimate.interval else { return Standing::CannotTell };
        let (all_keep, none_keeps) = match self {
            Bound::AtLeast(bound) => (low >= bound, high < bound),
            Bound::AtMost(bound) | Bound::MoreByAtMost(bound) => (high <= bound, low > bound),
        };
        match (all_keep, none_keeps) {
            (true, _) => Standing::Met,
            (_, true) => Standing::NotMet,
            _ => Standing::CannotTell,
        }
    }
}

impl Standing {
    fn words(self) -> &'static str {
        match self {
            Standing::Met => "met",
            Standing::NotMet => "not met",
            Standing::CannotTell => "cannot tell",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_when_the_whole_interval_meets_it() {
        let estimate = |interval| Estimate { median: 1.0, interval, pairs: 10 };
        let cases = [
            (Bound::AtLeast(0.99), Some((0.991, 1.2)), Standing::Met),
            (Bound::AtLeast(0.99), Some((0.9, 0.98)), Standing::NotMet),
            (Bound::AtLeast(0.99), Some((0.9, 1.2)), Standing::CannotTell),
            (Bound::AtMost(1.45), Some((1.3, 1.45)), Standing::Met),
            (Bound::AtMost(1.45), Some((1.46, 1.5)), Standing::NotMet),
            (Bound::MoreByAtMost(10e-9), Some((8e-9, 9e-9)), Standing::Met),
            (Bound::MoreByAtMost(10e-9), None, Standing::CannotTell),
        ];
        for (bound, interval, standing) in cases {
            assert_eq!(bound.standing(&estimate(interval)), standing, "{bound:?} {interval:?}");
        }
    }

    #[test]
    fn every_goal_is_shown_with_what_was_measured() {
        let mut run = super::super::run::tests::sample();
        for text in ["\"plain\"", "\"busy\""].iter().zip(["\"static\"", "\"dynamic\""]) {
            let json = run.suites[0].to_json().unwrap().replace(text.0, text.1);
            run.suites[0] = super::super::raw::Suite::parse(&json).unwrap();
        }
        let text = render(&run);
        assert!(text.lines().all(|line| line.chars().count() <= crate::columns::COLUMNS), "{text}");
        insta::assert_snapshot!(text);
    }
}
