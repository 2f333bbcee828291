//! Figures that were promised, and what a run says of them.

use std::fmt::Write as _;

use super::metric::Metric;
use super::raw::Comparison;
use super::report::{Cell, Table};
use super::run::Run;
use super::statistics::{Estimate, FEWEST_PAIRS, show_ratio};
use crate::columns::paragraph;

/// A figure to reach.
#[derive(Debug)]
struct Goal {
    suite: &'static str,
    series: &'static str,
    subject: &'static str,
    /// `None` where the figure itself has a bound.
    against: Option<&'static str>,
    metric: Metric,
    bound: Bound,
    /// What was tried to reach it, and what the profile shows; without figures, which nothing would renew.
    tried: Option<&'static str>,
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
    /// The figure itself is not larger, in the metric's own unit.
    Within(f64),
}

/// How a goal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Met,
    NotMet,
    CannotTell,
}

/// A ratio of requests a second, or of what they cost, in a suite of HTTP servers.
const fn ratio(
    suite: &'static str,
    series: &'static str,
    (subject, against): (&'static str, &'static str),
    metric: Metric,
    bound: Bound,
) -> Goal {
    Goal { suite, series, subject, against: Some(against), metric, bound, tried: None }
}

const fn server(against: &'static str, metric: Metric, bound: Bound) -> Goal {
    ratio("server", "saturation", ("dynamic", against), metric, bound)
}

/// Requests a second of what finds upstreams by the host, for one of `against`, which keeps as many connections to upstreams open.
const fn ngx(subject: &'static str, against: &'static str, at_least: f64) -> Goal {
    ratio("ngx", "saturation", (subject, against), Metric::RequestsPerSecond, Bound::AtLeast(at_least))
}

const fn new_connections(against: &'static str, metric: Metric, bound: Bound) -> Goal {
    ratio("forker", "new-connections", ("greeting", against), metric, bound)
}

const fn kept_connections(against: &'static str, metric: Metric, bound: Bound) -> Goal {
    ratio("forker", "saturation", ("greeting", against), metric, bound)
}

/// So many workers, where servers have as many cores.
const fn workers(subject: &'static str, count: f64) -> Goal {
    let bound = Bound::AtLeast(0.95 * count);
    ratio("forker", "saturation", (subject, "workers-1"), Metric::RequestsPerSecond, bound)
}

const fn figure(
    suite: &'static str,
    series: &'static str,
    subject: &'static str,
    metric: Metric,
    most: f64,
) -> Goal {
    Goal { suite, series, subject, against: None, metric, bound: Bound::Within(most), tried: None }
}

// What was tried where a figure was missed. Prose without figures of its own: it names rows of the same page, which every run renews.
const FIB_REDIS: &str = include_str!("goals/fib-redis.md");
const GO_PREFORK: &str = include_str!("goals/go-prefork.md");
const BALANCER: &str = include_str!("goals/balancer.md");
const DURABLE: &str = include_str!("goals/durable.md");
const WORKERS: &str = include_str!("goals/workers.md");

/// All of them, by suite.
const GOALS: &[Goal] = &[
    ratio("call", "time", ("loaded", "direct"), Metric::CallSeconds, Bound::MoreByAtMost(10e-9)),
    ratio("fib", "saturation", ("memory", "ip"), Metric::RequestsPerSecond, Bound::AtLeast(0.9)),
    ratio("fib", "saturation", ("redis", "redis-benchmark"), Metric::RequestsPerSecond, Bound::AtLeast(0.7))
        .tried(FIB_REDIS),
    ratio("fib", "twice", ("second-40", "first-40"), Metric::WallSeconds, Bound::AtMost(0.01)),
    new_connections("bare-loop", Metric::CpuSecondsPerRequest, Bound::AtMost(1.35)),
    new_connections("bare-loop", Metric::RequestsPerSecond, Bound::AtLeast(0.92)),
    new_connections("go-prefork", Metric::CpuSecondsPerRequest, Bound::AtMost(0.8)).tried(GO_PREFORK),
    kept_connections("bare-loop", Metric::CpuSecondsPerRequest, Bound::AtMost(1.35)),
    kept_connections("go-prefork", Metric::CpuSecondsPerRequest, Bound::AtMost(0.5)).tried(GO_PREFORK),
    workers("workers-2", 2.0).tried(WORKERS),
    workers("workers-4", 4.0).tried(WORKERS),
    workers("workers-8", 8.0).tried(WORKERS),
    // The master's own start is in it, and a request: more than from a worker's spawn until it is ready.
    figure("forker", "saturation", "greeting", Metric::StartSeconds, 30e-3),
    ngx("balancer-1k", "static-kept", 0.98).tried(BALANCER),
    ngx("balancer-1m", "static-kept", 0.98).tried(BALANCER),
    ngx("variable-1k", "static", 0.97),
    ngx("variable-1m", "static", 0.97),
    ngx("balancer-1k", "lua-balancer-1k", 1.0),
    ngx("balancer-1m", "lua-balancer-1m", 1.0),
    ngx("variable-1k", "lua-variable-1k", 1.0),
    ngx("variable-1m", "lua-variable-1m", 1.0),
    figure("ngx", "lookup", "lookup-1m", Metric::LookupSeconds, 300e-9),
    figure("ngx", "publish", "publish-1m", Metric::PublishSeconds, 5e-3),
    figure("ngx", "size", "size-1m", Metric::BytesPerEntry, 100.0),
    ratio("ngx", "changes", ("daemon", "redb"), Metric::ChangesPerSecond, Bound::AtLeast(0.8)).tried(DURABLE),
    server("static", Metric::RequestsPerSecond, Bound::AtLeast(0.99)),
    server("epoll", Metric::RequestsPerSecond, Bound::AtLeast(0.85)),
    server("epoll", Metric::CpuSecondsPerRequest, Bound::AtMost(1.45)),
    server("nginx", Metric::RequestsPerSecond, Bound::AtLeast(1.0)),
    server("go-dynamic", Metric::RequestsPerSecond, Bound::AtLeast(2.3)),
    server("go-dynamic", Metric::LatencyP99Seconds, Bound::AtMost(0.333)),
];

/// How a goal stands is decided by its interval.
pub(crate) const HOW: &str = "A goal is met where the whole interval keeps it, and not met where none of the interval does; between those nobody can tell.";

/// A goal, beside what a run says of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    goal: &'static Goal,
    /// Of what, or of what for one of what else.
    pub(crate) of: String,
    /// What was promised.
    pub(crate) promise: String,
    /// What was measured, or why nothing was.
    pub(crate) measured: String,
    standing: Standing,
}

impl Outcome {
    fn of(goal: &'static Goal, run: &Run) -> Outcome {
        let (standing, measured) = match goal.estimate(run) {
            None => (Standing::CannotTell, goal.what_is_missing(run)),
            Some(estimate) => (goal.bound.standing(&estimate), goal.show(&estimate)),
        };
        Outcome { goal, of: goal.label(), promise: goal.promise(), measured, standing }
    }

    /// What was tried to reach it; `None` where it is met.
    fn tried(&self) -> Option<&'static str> {
        self.goal.tried.filter(|_| self.standing != Standing::Met).map(str::trim)
    }
}

/// What was tried for those of `outcomes` that are not met, each text once, beneath the goals that it is about.
pub(crate) fn tried(outcomes: &[Outcome]) -> Vec<(String, &'static str)> {
    let mut texts: Vec<(String, &'static str)> = Vec::new();
    for (outcome, text) in outcomes.iter().filter_map(|outcome| Some((outcome, outcome.tried()?))) {
        let goal = format!("{}, {}", outcome.of, outcome.promise);
        match texts.iter_mut().find(|(_, known)| *known == text) {
            Some((goals, _)) => {
                goals.push_str("; ");
                goals.push_str(&goal);
            }
            None => texts.push((goal, text)),
        }
    }
    texts
}

/// The goals of all suites that `run` has.
pub(crate) fn of_run(run: &Run) -> Vec<Outcome> {
    let is_there = |goal: &&Goal| run.suites.iter().any(|suite| suite.name == goal.suite);
    GOALS.iter().filter(is_there).map(|goal| Outcome::of(goal, run)).collect()
}

/// Goals of suites that `run` has whose subjects it does not have, or not in that series: names that nothing has. Those of more workers than this
/// machine has cores are not among them.
pub(crate) fn unknown(run: &Run) -> Vec<String> {
    let outcomes = of_run(run);
    let unknown = outcomes.iter().filter(|outcome| {
        !outcome.goal.subject.starts_with("workers-") && outcome.goal.estimate(run).is_none()
    });
    unknown.map(|outcome| format!("{} {}, {}", outcome.goal.suite, outcome.goal.series, outcome.of)).collect()
}

/// Goals that `run` misses though nothing says what was tried to reach them.
pub(crate) fn untold(run: &Run) -> Vec<String> {
    let outcomes = of_run(run);
    let untold = outcomes
        .iter()
        .filter(|outcome| outcome.standing == Standing::NotMet && outcome.goal.tried.is_none());
    untold.map(|outcome| format!("{}, {}", outcome.of, outcome.promise)).collect()
}

/// Goals as a table.
pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new("", &["of", "that is", "promised", "measured (95 % interval)", "suite"]);
    for outcome in outcomes {
        let measured_as = format!("{} {}", outcome.goal.suite, outcome.goal.series);
        let cells =
            [&outcome.of, outcome.standing.words(), &outcome.promise, &outcome.measured, &measured_as];
        table.rows.push(cells.map(Cell::words).into());
    }
    table
}

/// Every goal, what `run` measured, and whether that meets it; fits 80 columns.
pub(crate) fn render(run: &Run) -> String {
    let mut text = String::new();
    let mut above = ("", "");
    for goal in GOALS {
        if above != (goal.suite, goal.series) {
            above = (goal.suite, goal.series);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}, {}:", goal.suite, goal.series);
        }
        let outcome = Outcome::of(goal, run);
        let _ = writeln!(text, "{:<12}{}: {}", outcome.standing.words(), outcome.of, outcome.promise);
        paragraph(&mut text, 12, "", &outcome.measured);
    }
    text
}

impl Goal {
    fn estimate(&self, run: &Run) -> Option<Estimate> {
        let suite = run.suites.iter().find(|suite| suite.name == self.suite)?;
        let series = suite.series.iter().find(|series| series.name == self.series)?;
        let Some(against) = self.against else {
            return Estimate::of_values(&series.values(self.subject, self.metric));
        };
        let comparison = Comparison { subject: self.subject.to_owned(), against: against.to_owned() };
        let pairs = series.pairs(&comparison, self.metric);
        if self.bound.is_ratio() { Estimate::of_ratios(&pairs) } else { Estimate::of_differences(&pairs) }
    }

    /// The same, with what was tried to reach it.
    const fn tried(self, text: &'static str) -> Goal {
        Goal { tried: Some(text), ..self }
    }

    fn what_is_missing(&self, run: &Run) -> String {
        match run.suites.iter().find(|suite| suite.name == self.suite) {
            None => format!("not measured; run the suite {}", self.suite),
            Some(_) if self.subject.starts_with("workers-") => {
                format!("not measured; {} comes with more cores for servers", self.subject)
            }
            Some(suite) if suite.subjects.iter().all(|subject| subject.name != self.subject) => {
                format!("not measured; this run of the suite does not have {}", self.subject)
            }
            Some(_) => "no round in which both sides are good".to_owned(),
        }
    }

    fn label(&self) -> String {
        match self.against {
            Some(against) => format!("{} / {against}", self.subject),
            None => self.subject.to_owned(),
        }
    }

    fn promise(&self) -> String {
        let what = self.metric.label();
        match self.bound {
            Bound::AtLeast(bound) => format!("ratio of {what} at least {bound}"),
            Bound::AtMost(bound) => format!("ratio of {what} at most {bound}"),
            Bound::MoreByAtMost(bound) => format!("{what} at most {} more", self.metric.show(bound)),
            Bound::Within(bound) => format!("{what} at most {}", self.metric.show(bound)),
        }
    }

    fn show(&self, estimate: &Estimate) -> String {
        let show = |value: f64| {
            if self.bound.is_ratio() { show_ratio(value) } else { self.metric.show(value) }
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
    fn is_ratio(self) -> bool {
        matches!(self, Bound::AtLeast(_) | Bound::AtMost(_))
    }

    /// It is met when the whole interval keeps it, and not met when none of the interval does.
    fn standing(self, estimate: &Estimate) -> Standing {
        let Some((low, high)) = estimate.interval else { return Standing::CannotTell };
        let (all_keep, none_keeps) = match self {
            Bound::AtLeast(bound) => (low >= bound, high < bound),
            Bound::AtMost(bound) | Bound::MoreByAtMost(bound) | Bound::Within(bound) => {
                (high <= bound, low > bound)
            }
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
            (Bound::Within(300e-9), Some((200e-9, 290e-9)), Standing::Met),
            (Bound::Within(300e-9), Some((310e-9, 320e-9)), Standing::NotMet),
        ];
        for (bound, interval, standing) in cases {
            assert_eq!(bound.standing(&estimate(interval)), standing, "{bound:?} {interval:?}");
        }
    }

    /// Figures in prose would be those of a run that is long over. Rows and options are named between backticks.
    #[test]
    fn what_was_tried_holds_no_figure() {
        for goal in GOALS {
            let text = goal.tried.unwrap_or_default();
            assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            let prose: String = text.split('`').step_by(2).collect();
            assert!(!prose.chars().any(|character| character.is_ascii_digit()), "{}: {text}", goal.label());
            // "One of them" is no figure.
            let figures = ["two", "three", "four", "five", "ten", "half", "third", "quarter", "tenth", "hundred", "hundredth"];
            let words = prose.split(|character: char| !character.is_alphabetic());
            let figure = words.clone().zip(words.skip(1)).find(|(word, _)| figures.contains(word));
            assert_eq!(figure, None, "{}: {text}", goal.label());
        }
    }

    #[test]
    fn what_was_tried_is_told_of_goals_that_are_missed() {
        let mut goals = GOALS.iter().filter(|goal| goal.tried.is_some());
        let goal = goals.next().unwrap();
        let outcome =
            |standing| Outcome { standing, ..Outcome::of(goal, &super::super::run::tests::sample()) };
        assert_eq!(outcome(Standing::Met).tried(), None);
        for standing in [Standing::NotMet, Standing::CannotTell] {
            assert_eq!(outcome(standing).tried(), goal.tried.map(str::trim));
        }
        let missed = [Standing::NotMet, Standing::Met, Standing::CannotTell].map(outcome);
        let texts = tried(&missed);
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0].0.matches(&missed[0].of).count(), 2, "{texts:?}");
    }

    #[test]
    fn goals_of_what_nothing_has_and_missed_ones_without_a_word_are_found() {
        let mut run = super::super::run::tests::sample();
        assert!(unknown(&run).iter().any(|goal| goal.contains("dynamic / nginx")), "{:?}", unknown(&run));
        for text in ["\"plain\"", "\"busy\""].iter().zip(["\"nginx\"", "\"dynamic\""]) {
            let json = run.suites[0].to_json().unwrap().replace(text.0, text.1);
            run.suites[0] = super::super::raw::Suite::parse(&json).unwrap();
        }
        assert!(!unknown(&run).iter().any(|goal| goal.contains("dynamic / nginx")), "{:?}", unknown(&run));
        let missed = untold(&run);
        assert!(missed.len() == 1 && missed[0].starts_with("dynamic / nginx"), "{missed:?}");
    }

    #[test]
    fn a_run_has_the_goals_of_its_suites() {
        let outcomes = of_run(&super::super::run::tests::sample());
        assert!(!outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.goal.suite == "server"));
        assert_eq!(table(&outcomes).rows.len(), outcomes.len());
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
