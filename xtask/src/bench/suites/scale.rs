//! How costs grow with what there is more of: plugins of a server, connections to it, hosts of a table.

mod connections;
mod hosts;
mod plugins;

use anyhow::{Context, Result};
use bench_driver::{Ask, Load, Saturate, wrk_command};

use super::programs::NGINX;
use crate::bench::bed::Bed;
use crate::bench::http_suite::{HttpSubject, REPORT, WRK};
use crate::bench::metric::Metric;
use crate::bench::raw::{Axis, Comparison, FORMAT, Point, Sample, Series, Subject, Suite};
use crate::bench::rounds;

/// Images of peers.
pub(super) const PEERS: &[&str] = &[NGINX];

const NAME: &str = "scale";
const QUESTION: &str = "How does cost grow with the plugins that a server has, with the connections that it keeps, and with the hosts of a table?";

/// Takes all samples.
pub(super) fn measure(bed: &Bed<'_>) -> Result<Suite> {
    let mut suite = plugins::steps(bed)?.measure(bed)?;
    suite = suite.joined(connections::steps(bed)?.measure(bed)?);
    for steps in hosts::steps(bed)? {
        suite = suite.joined(steps.measure(bed)?);
    }
    Ok(suite)
}

/// A series along an axis.
struct Steps<'a> {
    /// Its name.
    series: &'static str,
    /// What is done at each step.
    how: String,
    /// What loads or times the subjects.
    command: Vec<String>,
    metrics: Vec<Metric>,
    /// What there is more of from step to step.
    axis: &'static str,
    /// Those of a line one after the other, upwards.
    steps: Vec<Step<'a>>,
    /// Whether one step is measured twice in each round: not where it is the same each time.
    noise: bool,
}

/// A subject at its place.
struct Step<'a> {
    /// With the place, its name; unique in the suite.
    line: &'static str,
    at: u32,
    /// What it is, in a few words.
    is: String,
    /// How it is started.
    command: Vec<String>,
    image_digest: Option<String>,
    /// Takes a sample of it.
    take: Box<dyn Fn() -> Result<Sample> + 'a>,
}

impl Steps<'_> {
    fn measure(&self, bed: &Bed<'_>) -> Result<Suite> {
        let names: Vec<String> = self.steps.iter().map(Step::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let comparisons = self.comparisons();
        let turns = rounds::turns(&names, &comparisons, 0).len() as u64;
        let bar = bed.progress(turns * u64::from(bed.rounds), &format!("{NAME} {}", self.series));
        let samples = rounds::run(&names, &comparisons, bed.rounds, |turn| {
            let step = self.steps.iter().find(|step| step.name() == turn.subject);
            let step = step.context("a turn of nobody")?;
            let sample =
                (step.take)().with_context(|| format!("{NAME} {}, {}", self.series, turn.subject))?;
            bar.inc(1);
            Ok(sample)
        })?;
        let subject = |step: &Step<'_>| Subject {
            name: step.name(),
            is: step.is.clone(),
            command: step.command.clone(),
            image_digest: step.image_digest.clone(),
        };
        let point = |step: &Step<'_>| Point {
            subject: step.name(),
            line: step.line.to_owned(),
            at: f64::from(step.at),
        };
        Ok(Suite {
            format: FORMAT,
            name: NAME.to_owned(),
            question: QUESTION.to_owned(),
            subjects: self.steps.iter().map(subject).collect(),
            comparisons,
            series: vec![Series {
                name: self.series.to_owned(),
                how: self.how.clone(),
                command: self.command.clone(),
                metrics: self.metrics.clone(),
                axis: Some(Axis { of: self.axis.to_owned(), points: self.steps.iter().map(point).collect() }),
                samples,
            }],
        })
    }

    /// The end of each line for its beginning, the first line for the others where both have a step, and the A/A row.
    fn comparisons(&self) -> Vec<Comparison> {
        let compare =
            |one: &Step<'_>, other: &Step<'_>| Comparison { subject: one.name(), against: other.name() };
        let mut comparisons = Vec::new();
        let lines = self.steps.chunk_by(|one, other| one.line == other.line);
        let Some(first) = lines.clone().next() else { return comparisons };
        for line in lines {
            if let [begin, .., end] = line {
                comparisons.push(compare(end, begin));
            }
        }
        for step in first {
            let others = self.steps.iter().filter(|other| other.line != step.line && other.at == step.at);
            comparisons.extend(others.map(|other| compare(step, other)));
        }
        // One in the middle: the ends are where a machine is least steady.
        let middle = &first[first.len() / 2];
        comparisons.extend(self.noise.then(|| compare(middle, middle)));
        comparisons
    }
}

impl<'a> Step<'a> {
    /// A server with as many connections as `load` has.
    fn of_server(bed: &'a Bed<'_>, at: u32, subject: HttpSubject, load: Saturate) -> Step<'a> {
        Step {
            line: subject.name,
            at,
            is: subject.is.clone(),
            command: subject.program.argv.clone(),
            image_digest: subject.image.and_then(|image| bed.peer_digest(image)),
            take: Box::new(move || Ok(without_spread(subject.sample(bed, Load::Saturate(load.clone()))?))),
        }
    }

    fn name(&self) -> String {
        format!("{}-{}", self.line, self.at)
    }
}

/// Percentiles of so many subjects would be a thicket; those that are a figure of their own stay.
fn without_spread(sample: Sample) -> Sample {
    Sample { percentiles: Vec::new(), wrk: Vec::new(), ..sample }
}

/// So many connections; fewer than there are cores of the generator are loaded from as few.
fn load(bed: &Bed<'_>, connections: usize, seconds: u32) -> Saturate {
    Saturate {
        wrk: WRK.to_owned(),
        script: REPORT.to_owned(),
        threads: threads(bed.generator_cores.len(), connections),
        connections,
        seconds: if bed.quick { 1 } else { seconds },
        warm_up_seconds: 0,
        new_connections: false,
        cores: bed.generator_cores.clone(),
    }
}

/// wrk gives each thread as many connections as any other and drops the rest: a power of two divides our numbers of connections.
fn threads(cores: usize, connections: usize) -> usize {
    let most = cores.min(connections).max(1);
    1 << most.ilog2()
}

fn command(load: &Saturate, ask: &Ask) -> Vec<String> {
    wrk_command(load, ask, load.seconds)
}

/// As for every server under load.
fn metrics() -> Vec<Metric> {
    vec![
        Metric::CpuSecondsPerRequest,
        Metric::RequestsPerSecond,
        Metric::PeakRssBytes,
        Metric::LatencyP99Seconds,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(steps: &[(&'static str, u32)], noise: bool) -> Vec<String> {
        let step = |&(line, at): &(&'static str, u32)| Step {
            line,
            at,
            is: String::new(),
            command: Vec::new(),
            image_digest: None,
            take: Box::new(|| Ok(Sample::default())),
        };
        let steps = Steps {
            series: "series",
            how: String::new(),
            command: Vec::new(),
            metrics: Vec::new(),
            axis: "connections",
            steps: steps.iter().map(step).collect(),
            noise,
        };
        steps.comparisons().iter().map(Comparison::label).collect()
    }

    #[test]
    fn ends_are_compared_with_beginnings_and_lines_where_they_meet() {
        assert_eq!(
            steps(&[("ours", 1), ("ours", 64), ("ours", 4096), ("other", 1), ("other", 4096)], true),
            [
                "ours-4096 / ours-1",
                "other-4096 / other-1",
                "ours-1 / other-1",
                "ours-4096 / other-4096",
                "ours-64 / ours-64 (A/A)"
            ]
        );
        assert_eq!(steps(&[("size", 10)], false), [""; 0]);
    }

    #[test]
    fn no_connection_is_dropped_for_a_thread() {
        assert_eq!([(1, 4096), (4, 1), (6, 64), (8, 4)].map(|(cores, of)| threads(cores, of)), [1, 1, 4, 4]);
    }
}
