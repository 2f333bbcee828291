//! Suites of HTTP servers: each is loaded as much as it bears, then all at one rate.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bench_driver::{Ask, ConstantRate, Load, Order, Outcome, Program, Saturate, wrk_command};

use super::bed::Bed;
use super::metric::Metric;
use super::raw::{Comparison, FORMAT, Sample, Series, Subject, Suite};
use super::rounds;
use super::statistics::median;

/// A server.
pub(crate) struct HttpSubject {
    /// Unique in its suite.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) is: &'static str,
    /// How it is started; its cores are those of all servers.
    pub(crate) program: Program,
    /// The image that it comes from, if it is a peer.
    pub(crate) image: Option<&'static str>,
}

/// What is asked of which servers, and why.
pub(crate) struct HttpSuite {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is to answer.
    pub(crate) question: &'static str,
    /// What all servers are asked, and the one answer.
    pub(crate) ask: Ask,
    /// Connections of both loads.
    pub(crate) connections: usize,
    /// The servers.
    pub(crate) subjects: Vec<HttpSubject>,
    /// Pairs of names; the same name twice is an A/A row.
    pub(crate) comparisons: &'static [(&'static str, &'static str)],
}

const WRK: &str = "/usr/bin/wrk";
const REPORT: &str = "/opt/bench/report.lua";

/// What every machine bears that does something else beside.
const QUICK_RATE: f64 = 500.0;

/// The rate of all servers, as a share of what the slowest of them bears.
const SHARE_OF_SLOWEST: f64 = 0.5;

impl HttpSuite {
    /// Takes all samples.
    pub(crate) fn measure(&self, bed: &Bed<'_>) -> Result<Suite> {
        let comparisons: Vec<Comparison> = self
            .comparisons
            .iter()
            .map(|&(subject, against)| Comparison {
                subject: subject.to_owned(),
                against: against.to_owned(),
            })
            .collect();
        let known = |name: &str| self.subjects.iter().any(|subject| subject.name == name);
        for name in comparisons.iter().flat_map(|one| [&one.subject, &one.against]) {
            ensure!(known(name), "the suite {} compares {name:?}, which is none of its subjects", self.name);
        }
        let saturation = self.saturation(bed, &comparisons)?;
        let rate = self.constant_rate(bed, &comparisons, &saturation)?;
        let subjects = self.subjects.iter().map(|subject| Subject {
            name: subject.name.to_owned(),
            is: subject.is.to_owned(),
            command: subject.program.argv.clone(),
            image_digest: subject.image.and_then(|image| bed.peer_digest(image)),
        });
        Ok(Suite {
            format: FORMAT,
            name: self.name.to_owned(),
            question: self.question.to_owned(),
            subjects: subjects.collect(),
            comparisons,
            series: vec![saturation, rate],
        })
    }

    fn saturation(&self, bed: &Bed<'_>, comparisons: &[Comparison]) -> Result<Series> {
        let load = Saturate {
            wrk: WRK.to_owned(),
            script: REPORT.to_owned(),
            threads: bed.generator_cores.len(),
            connections: self.connections,
            seconds: if bed.quick { 1 } else { 3 },
            warm_up_seconds: u32::from(!bed.quick),
            cores: bed.generator_cores.clone(),
        };
        Ok(Series {
            name: "saturation".to_owned(),
            how: format!(
                "wrk keeps {} connections, each of which sends its next request as soon as the last is answered, for {} s after {} s of warm-up. \
                 That is what a server can do, and no measure of how long anybody waits.",
                load.connections, load.seconds, load.warm_up_seconds
            ),
            command: wrk_command(&load, &self.ask, load.seconds),
            metrics: vec![
                Metric::CpuSecondsPerRequest,
                Metric::RequestsPerSecond,
                Metric::PeakRssBytes,
                Metric::LatencyP99Seconds,
                Metric::StartSeconds,
            ],
            samples: self.samples(bed, comparisons, "saturation", &Load::Saturate(load))?,
        })
    }

    fn constant_rate(
        &self,
        bed: &Bed<'_>,
        comparisons: &[Comparison],
        saturation: &Series,
    ) -> Result<Series> {
        let load = ConstantRate {
            per_second: if bed.quick {
                QUICK_RATE.min(self.rate(saturation)?)
            } else {
                self.rate(saturation)?
            },
            connections: self.connections,
            threads: bed.generator_cores.len(),
            seconds: if bed.quick { 1.0 } else { 3.0 },
            warm_up_seconds: if bed.quick { 0.2 } else { 1.0 },
            cores: bed.generator_cores.clone(),
        };
        Ok(Series {
            name: "constant-rate".to_owned(),
            how: format!(
                "{} requests a second, at most half of what the slowest bears, are due at fixed times over {} connections, for {} s after {} s of warm-up. A latency counts from the \
                 time at which its request was due, also if no connection was free then (no coordinated omission). The generator's own lateness is \
                 that of requests that could be sent at once.",
                load.per_second, load.connections, load.seconds, load.warm_up_seconds
            ),
            command: vec![format!("bench-driver, with this order: {}", serde_json::to_string(&load)?)],
            metrics: vec![
                Metric::LatencyP50Seconds,
                Metric::LatencyP99Seconds,
                Metric::CpuSecondsPerRequest,
                Metric::GeneratorLateSeconds,
            ],
            samples: self.samples(bed, comparisons, "constant-rate", &Load::ConstantRate(load))?,
        })
    }

    /// The same for all: a share of what the slowest bears, in whole hundreds where it has any.
    fn rate(&self, saturation: &Series) -> Result<f64> {
        let slowest = self
            .subjects
            .iter()
            .filter_map(|subject| median(&saturation.values(subject.name, Metric::RequestsPerSecond)))
            .min_by(f64::total_cmp)
            .context("no server answered anything, so no rate can be chosen")?;
        let rate = slowest * SHARE_OF_SLOWEST;
        Ok(if rate >= 200.0 { (rate / 100.0).floor() * 100.0 } else { rate.max(1.0).floor() })
    }

    fn samples(
        &self,
        bed: &Bed<'_>,
        comparisons: &[Comparison],
        what: &str,
        load: &Load,
    ) -> Result<Vec<Sample>> {
        let names: Vec<&str> = self.subjects.iter().map(|subject| subject.name).collect();
        let turns = rounds::turns(&names, comparisons, 0).len() as u64;
        let bar = bed.progress(turns * u64::from(bed.rounds), &format!("{} {what}", self.name));
        rounds::run(&names, comparisons, bed.rounds, |turn| {
            let subject = self.subjects.iter().find(|subject| subject.name == turn.subject);
            let subject = subject.context("a turn of nobody")?;
            let order = Order {
                server: Program { cores: bed.server_cores.clone(), ..subject.program.clone() },
                ask: self.ask.clone(),
                load: load.clone(),
            };
            let outcome =
                bed.take(&order).with_context(|| format!("{} {what}, {}", self.name, turn.subject))?;
            bar.inc(1);
            Ok(sample(outcome))
        })
    }
}

/// What is kept of an outcome; one that does not count keeps its reason alone.
fn sample(outcome: Outcome) -> Sample {
    let failed =
        outcome.failed.or_else(|| (outcome.requests == 0).then(|| "no request was answered".to_owned()));
    if failed.is_some() {
        return Sample { failed, ..Sample::default() };
    }
    let requests = outcome.requests as f64;
    let percentile = |percent: f64| {
        outcome.percentiles.iter().find(|(found, _)| *found == percent).map(|(_, value)| *value)
    };
    let values = [
        (Metric::RequestsPerSecond, Some(requests / outcome.seconds)),
        (Metric::CpuSecondsPerRequest, Some(outcome.cpu_seconds / requests)),
        (Metric::PeakRssBytes, Some(outcome.peak_rss_bytes as f64)),
        (Metric::StartSeconds, Some(outcome.start_seconds)),
        (Metric::LatencyP50Seconds, percentile(50.0)),
        (Metric::LatencyP99Seconds, percentile(99.0)),
        (Metric::GeneratorLateSeconds, outcome.late_p99_seconds),
    ];
    let values: BTreeMap<Metric, f64> =
        values.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect();
    Sample { values, percentiles: outcome.percentiles, wrk: outcome.wrk, ..Sample::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            start_seconds: 0.005,
            seconds: 2.0,
            requests: 1000,
            cpu_seconds: 0.5,
            peak_rss_bytes: 1 << 20,
            processes: 1,
            percentiles: vec![(50.0, 0.001), (99.0, 0.004)],
            ..Outcome::default()
        }
    }

    #[test]
    fn costs_are_for_each_request() {
        let sample = sample(outcome());
        let value = |metric| sample.values.get(&metric).copied();
        assert_eq!(value(Metric::RequestsPerSecond), Some(500.0));
        assert_eq!(value(Metric::CpuSecondsPerRequest), Some(0.0005));
        assert_eq!(
            (value(Metric::LatencyP99Seconds), value(Metric::GeneratorLateSeconds)),
            (Some(0.004), None)
        );
    }

    #[test]
    fn what_failed_has_no_figures() {
        let failed = Outcome { failed: Some("2 reads that failed".into()), ..outcome() };
        let silent = Outcome { requests: 0, ..outcome() };
        for (outcome, why) in [(failed, "2 reads that failed"), (silent, "no request was answered")] {
            let sample = sample(outcome);
            assert!(sample.values.is_empty() && sample.failed.as_deref() == Some(why), "{sample:?}");
        }
    }
}
