//! Suites of HTTP servers: each is loaded as much as it bears, then all at one rate.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bench_driver::{
    Ask, Beside, ConstantRate, Load, Order, Outcome, Program, RedisBenchmark, Saturate, wrk_command,
};

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
    pub(crate) is: String,
    /// How it is started; its cores are those of all servers.
    pub(crate) program: Program,
    /// What it needs beside, on the cores of what loads it.
    pub(crate) beside: Vec<Beside>,
    /// What it is asked, and the one answer.
    pub(crate) ask: Ask,
    /// What finds out how much it bears.
    pub(crate) generator: Generator,
    /// The image that it comes from, if it is a peer.
    pub(crate) image: Option<&'static str>,
}

/// What loads a server as much as it bears.
pub(crate) enum Generator {
    /// wrk, as all who speak HTTP.
    Wrk,
    /// Redis' own, for a Redis that stands by itself. Its constant rate is not measured.
    RedisBenchmark {
        /// The program.
        program: String,
        /// Its environment.
        env: BTreeMap<String, String>,
        /// Bytes of the value that is got.
        value_bytes: usize,
    },
}

/// What is asked of which servers, and why.
pub(crate) struct HttpSuite {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is to answer.
    pub(crate) question: &'static str,
    /// Connections that stay.
    pub(crate) connections: usize,
    /// Connections at a time of a load that opens one for each request; none leaves it out.
    pub(crate) new_connections: Option<usize>,
    /// The servers.
    pub(crate) subjects: Vec<HttpSubject>,
    /// Pairs of names; the same name twice is an A/A row.
    pub(crate) comparisons: Vec<(&'static str, &'static str)>,
}

/// Where wrk is in the image that samples are taken in.
pub(crate) const WRK: &str = "/usr/bin/wrk";
/// And what it runs when it is done.
pub(crate) const REPORT: &str = "/opt/bench/report.lua";

/// How long a sample is measured, in seconds. What disturbs a machine comes and goes over many seconds, and cancels out of a ratio only where both sides
/// are measured within that time: so many short samples tell more than few long ones. At half a second servers' clock ticks and wrk's own start
/// would show in a sample; at two they are below a hundredth of it.
const MEASURED_SECONDS: u32 = 2;

/// How long a sample is loaded before, in seconds, until connections stand and caches and heaps have what they need. wrk counts whole seconds.
const WARM_UP_SECONDS: u32 = 1;

/// The same at a constant rate, where each thread has its connections before the first request is due.
const STEADY_WARM_UP_SECONDS: f64 = 0.5;

/// What every machine bears that does something else beside.
const QUICK_RATE: f64 = 500.0;

/// The rate of all servers, as a share of what the slowest of them bears.
const SHARE_OF_SLOWEST: f64 = 0.5;

impl HttpSuite {
    /// Takes all samples.
    pub(crate) fn measure(&self, bed: &Bed<'_>) -> Result<Suite> {
        let names: Vec<&str> = self.subjects.iter().map(|subject| subject.name).collect();
        let comparisons = Comparison::list(self.name, &self.comparisons, &names)?;
        let mut series = Vec::new();
        if let Some(connections) = self.new_connections {
            series.push(self.saturation(bed, &comparisons, connections, true)?);
        }
        let saturation = self.saturation(bed, &comparisons, self.connections, false)?;
        let rate = self.constant_rate(bed, &comparisons, &saturation)?;
        series.extend([saturation, rate]);
        let subjects = self.subjects.iter().map(|subject| Subject {
            name: subject.name.to_owned(),
            is: subject.is.clone(),
            command: subject.program.argv.clone(),
            image_digest: subject.image.and_then(|image| bed.peer_digest(image)),
        });
        Ok(Suite {
            format: FORMAT,
            name: self.name.to_owned(),
            question: self.question.to_owned(),
            subjects: subjects.collect(),
            comparisons,
            series,
        })
    }

    fn saturation(
        &self,
        bed: &Bed<'_>,
        comparisons: &[Comparison],
        connections: usize,
        new_connections: bool,
    ) -> Result<Series> {
        let load = Saturate {
            wrk: WRK.to_owned(),
            script: REPORT.to_owned(),
            threads: bed.generator_cores.len(),
            connections,
            seconds: if bed.quick { 1 } else { MEASURED_SECONDS },
            warm_up_seconds: if bed.quick { 0 } else { WARM_UP_SECONDS },
            new_connections,
            cores: bed.generator_cores.clone(),
        };
        let (name, what) = if new_connections {
            ("new-connections", "on a new connection")
        } else {
            ("saturation", "on the same one")
        };
        let first = self.subjects.iter().find(|subject| subject.generator.is_wrk());
        let first = first.context("a suite of HTTP servers has one")?;
        Ok(Series {
            name: name.to_owned(),
            how: format!(
                "wrk keeps {connections} connections, each of which sends its next request as soon as the last is answered, {what}, for {} s after {} s of warm-up. \
                 That is what a server can do, and no measure of how long anybody waits.",
                load.seconds, load.warm_up_seconds
            ),
            command: wrk_command(&load, &first.ask, load.seconds),
            metrics: vec![
                Metric::CpuSecondsPerRequest,
                Metric::RequestsPerSecond,
                Metric::PeakRssBytes,
                Metric::LatencyP99Seconds,
                Metric::StartSeconds,
            ],
            axis: None,
            samples: self
                .samples(bed, comparisons, name, &|subject| subject.generator.load(bed.quick, &load))?,
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
            seconds: if bed.quick { 1.0 } else { MEASURED_SECONDS.into() },
            warm_up_seconds: if bed.quick { 0.2 } else { STEADY_WARM_UP_SECONDS },
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
            axis: None,
            samples: self.samples(bed, comparisons, "constant-rate", &|subject| {
                subject.generator.is_wrk().then(|| Load::ConstantRate(load.clone()))
            })?,
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

    /// Samples of all for whom there is a load.
    fn samples(
        &self,
        bed: &Bed<'_>,
        comparisons: &[Comparison],
        what: &str,
        load: &dyn Fn(&HttpSubject) -> Option<Load>,
    ) -> Result<Vec<Sample>> {
        let loaded: Vec<(&HttpSubject, Load)> =
            self.subjects.iter().filter_map(|subject| Some((subject, load(subject)?))).collect();
        let names: Vec<&str> = loaded.iter().map(|(subject, _)| subject.name).collect();
        let turns = rounds::turns(&names, comparisons, 0).len() as u64;
        let bar = bed.progress(turns * u64::from(bed.rounds), &format!("{} {what}", self.name));
        rounds::run(&names, comparisons, bed.rounds, |turn| {
            let (subject, load) = loaded
                .iter()
                .find(|(subject, _)| subject.name == turn.subject)
                .context("a turn of nobody")?;
            let sample = subject
                .sample(bed, load.clone())
                .with_context(|| format!("{} {what}, {}", self.name, turn.subject))?;
            bar.inc(1);
            Ok(sample)
        })
    }
}

impl HttpSubject {
    /// One that needs nothing beside, is loaded by wrk, and is a program of this repository.
    pub(crate) fn new(name: &'static str, is: impl Into<String>, program: Program, ask: Ask) -> HttpSubject {
        let is = is.into();
        HttpSubject { name, is, program, beside: Vec::new(), ask, generator: Generator::Wrk, image: None }
    }

    /// The same, from the image of a peer.
    pub(crate) fn of_image(self, image: &'static str) -> HttpSubject {
        HttpSubject { image: Some(image), ..self }
    }

    /// The same, with what it needs.
    pub(crate) fn beside(self, beside: Vec<Beside>) -> HttpSubject {
        HttpSubject { beside, ..self }
    }

    /// Takes one sample of it.
    pub(crate) fn sample(&self, bed: &Bed<'_>, load: Load) -> Result<Sample> {
        let on = |program: &Program, cores: &[usize]| Program { cores: cores.to_vec(), ..program.clone() };
        let beside = self.beside.iter().map(|needed| Beside {
            program: on(&needed.program, &bed.generator_cores),
            listens: needed.listens,
        });
        let order = Order {
            server: on(&self.program, &bed.server_cores),
            beside: beside.collect(),
            ask: self.ask.clone(),
            load,
        };
        Ok(sample(bed.take(&order)?))
    }
}

impl Generator {
    fn is_wrk(&self) -> bool {
        matches!(self, Generator::Wrk)
    }

    /// As much as a server bears; `None` where that makes no sense.
    fn load(&self, quick: bool, wrk: &Saturate) -> Option<Load> {
        match self {
            Generator::Wrk => Some(Load::Saturate(wrk.clone())),
            Generator::RedisBenchmark { .. } if wrk.new_connections => None,
            Generator::RedisBenchmark { program, env, value_bytes } => {
                Some(Load::RedisBenchmark(RedisBenchmark {
                    program: program.clone(),
                    env: env.clone(),
                    connections: wrk.connections,
                    value_bytes: *value_bytes,
                    // It counts requests and not seconds: about as many as it makes in the time that wrk has.
                    requests: if quick { 20_000 } else { 120_000 },
                    warm_up_requests: if quick { 0 } else { 40_000 },
                    cores: wrk.cores.clone(),
                }))
            }
        }
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
