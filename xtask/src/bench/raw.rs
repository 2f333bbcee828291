//! What a suite measured: `raw/SUITE.json`, from which everything else is rendered.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use bench_driver::WRK_COLUMNS;
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use super::statistics::Ratio;

/// The version of the format; a file of another one is refused.
pub(crate) const FORMAT: u32 = 1;

/// One suite of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// Its name.
    pub(crate) name: String,
    /// What it is to answer.
    pub(crate) question: String,
    /// What was measured.
    pub(crate) subjects: Vec<Subject>,
    /// Which of them are set against each other.
    pub(crate) comparisons: Vec<Comparison>,
    /// The ways in which they were measured.
    pub(crate) series: Vec<Series>,
}

/// One thing that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    /// How samples name it.
    pub(crate) name: String,
    /// What it is, in a few words.
    pub(crate) is: String,
    /// How it was started.
    pub(crate) command: Vec<String>,
    /// The digest of the image that it comes from, if it is a peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image_digest: Option<String>,
}

/// A ratio of interest: `subject` for each one of `against`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comparison {
    /// A subject.
    pub(crate) subject: String,
    /// Another, or the same: then it is measured twice in each round, and the ratio shows what the machine does by itself (an A/A row).
    pub(crate) against: String,
}

/// One way of measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Series {
    /// Unique in its suite; part of the names of its plots.
    pub(crate) name: String,
    /// What was done, in a sentence or two.
    pub(crate) how: String,
    /// What loaded or timed the subjects.
    pub(crate) command: Vec<String>,
    /// What to show, in order; the first few are those that count most.
    pub(crate) metrics: Vec<Metric>,
    /// What costs grow with, if the subjects are steps of it: then each metric is plotted along it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) axis: Option<Axis>,
    /// All samples in the order in which they were taken.
    pub(crate) samples: Vec<Sample>,
}

/// Something that there is less of or more, and the places of subjects along it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Axis {
    /// What is counted: `connections`.
    pub(crate) of: String,
    /// The place of every subject that the series has samples of.
    pub(crate) points: Vec<Point>,
}

/// Where a subject stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Point {
    /// The subject.
    pub(crate) subject: String,
    /// What it is a step of, such as a server: subjects of one line differ in nothing but their places.
    pub(crate) line: String,
    /// How many there are of what the axis counts; more than 0.
    pub(crate) at: f64,
}

/// One measurement of one subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// The subject.
    pub(crate) subject: String,
    /// Samples of one round are pairs.
    pub(crate) round: u32,
    /// Whether it is the second sample of its subject in its round.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
    /// Why it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
    /// The figures.
    #[serde(default)]
    pub(crate) values: BTreeMap<Metric, f64>,
    /// Latencies in seconds by percentile, ascending; 100 is the slowest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) percentiles: Vec<(f64, f64)>,
    /// The columns that wrk prints for its threads, by their names in [`bench_driver::WRK_COLUMNS`]; times in seconds, ± in percent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) wrk: Vec<f64>,
}

impl Suite {
    /// Reads `raw/SUITE.json`.
    ///
    /// # Errors
    /// Another format, or samples of subjects that it does not have.
    pub(crate) fn parse(text: &str) -> Result<Suite> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = serde_json::from_str(text)?;
        ensure!(
            format == FORMAT,
            "it has format {format}, this program reads {FORMAT}; use the revision that wrote it"
        );
        let suite: Suite = serde_json::from_str(text)?;
        suite.check()?;
        Ok(suite)
    }

    /// The file's content.
    pub(crate) fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    fn check(&self) -> Result<()> {
        let known = |name: &str| self.subjects.iter().any(|subject| subject.name == name);
        for Comparison { subject, against } in &self.comparisons {
            for name in [subject, against] {
                ensure!(known(name), "it compares {name:?}, which is none of its subjects");
            }
        }
        for series in &self.series {
            series.check_axis().with_context(|| format!("its series {:?}", series.name))?;
        }
        for sample in self.series.iter().flat_map(|series| &series.samples) {
            if !known(&sample.subject) {
                bail!("it has a sample of {:?}, which is none of its subjects", sample.subject);
            }
            let finite = sample.values.values().all(|value| value.is_finite());
            let wrk = sample.wrk.is_empty() || sample.wrk.len() == WRK_COLUMNS.len();
            ensure!(finite && wrk, "a sample of {:?} is incomplete", sample.subject);
        }
        Ok(())
    }

    /// This one, and what `other` has measured for the same question. No name of a subject or of a series is in both.
    pub(crate) fn joined(mut self, other: Suite) -> Suite {
        self.subjects.extend(other.subjects);
        self.comparisons.extend(other.comparisons);
        self.series.extend(other.series);
        self
    }
}

impl Series {
    fn check_axis(&self) -> Result<()> {
        let Some(axis) = &self.axis else { return Ok(()) };
        for sample in &self.samples {
            let place = axis.place_of(&sample.subject);
            ensure!(place.is_some(), "{:?} has no place along its axis", sample.subject);
        }
        for (before, point) in axis.points.iter().enumerate() {
            ensure!(point.at.is_finite() && point.at > 0.0, "{:?} is at no place of its axis", point.subject);
            let taken = axis.points[..before].iter().find(|other| {
                other.subject == point.subject || (&other.line, other.at) == (&point.line, point.at)
            });
            if let Some(other) = taken {
                bail!("{:?} and {:?} are at the same place of its axis", other.subject, point.subject);
            }
        }
        Ok(())
    }

    /// The good samples of `subject`; the second ones of a round only if `again`.
    pub(crate) fn samples_of<'a>(
        &'a self,
        subject: &'a str,
        again: bool,
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.subject == subject && sample.again == again && sample.failed.is_none()
        })
    }

    /// The good values of `subject`, those of second samples left out.
    pub(crate) fn values(&self, subject: &str, metric: Metric) -> Vec<f64> {
        self.samples_of(subject, false).filter_map(|sample| sample.values.get(&metric).copied()).collect()
    }

    /// The values of both sides of `comparison` in each round in which both are good.
    pub(crate) fn pairs(&self, comparison: &Comparison, metric: Metric) -> Vec<(f64, f64)> {
        let noise = comparison.is_noise();
        let ones = self.samples_of(&comparison.subject, noise);
        ones.filter_map(|one| {
            let other = self.samples_of(&comparison.against, false).find(|other| other.round == one.round)?;
            Some((*one.values.get(&metric)?, *other.values.get(&metric)?))
        })
        .collect()
    }

    /// The ratio of both sides of `comparison`; `None` if there is nothing to compare.
    pub(crate) fn ratio(&self, comparison: &Comparison, metric: Metric) -> Option<Ratio> {
        if !metric.is_compared() {
            return None;
        }
        Ratio::of_pairs(&self.pairs(comparison, metric))
    }

    /// Whether there is anything to compare, without the work of an interval.
    pub(crate) fn has_ratio(&self, comparison: &Comparison, metric: Metric) -> bool {
        let pairs = self.pairs(comparison, metric);
        metric.is_compared() && pairs.iter().any(|(one, other)| *one > 0.0 && *other > 0.0)
    }

    /// The samples that do not count.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Sample, &str)> {
        self.samples.iter().filter_map(|sample| Some((sample, sample.failed.as_deref()?)))
    }
}

impl Axis {
    /// Where a subject stands.
    pub(crate) fn place_of(&self, subject: &str) -> Option<&Point> {
        self.points.iter().find(|point| point.subject == subject)
    }
}

impl Comparison {
    /// Those of a suite, by the names of both sides.
    ///
    /// # Errors
    /// A name that no subject of the suite has.
    pub(crate) fn list(suite: &str, pairs: &[(&str, &str)], subjects: &[&str]) -> Result<Vec<Comparison>> {
        for name in pairs.iter().flat_map(|(subject, against)| [subject, against]) {
            ensure!(
                subjects.contains(name),
                "the suite {suite} compares {name:?}, which is none of its subjects"
            );
        }
        let owned = |&(subject, against): &(&str, &str)| Comparison {
            subject: subject.to_owned(),
            against: against.to_owned(),
        };
        Ok(pairs.iter().map(owned).collect())
    }

    /// Whether both sides are the same.
    pub(crate) fn is_noise(&self) -> bool {
        self.subject == self.against
    }

    /// `dynamic / static`.
    pub(crate) fn label(&self) -> String {
        if self.is_noise() {
            format!("{0} / {0} (A/A)", self.subject)
        } else {
            format!("{} / {}", self.subject, self.against)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two servers in eight rounds: `plain` takes the same each time, `busy` one tenth more, and the last `busy` failed.
    pub(crate) fn sample() -> Suite {
        let mut samples = Vec::new();
        for round in 0..8_u32 {
            let disturbed = 1.0 + f64::from(round * 5 % 8) / 100.0;
            for (subject, factor, again) in
                [("plain", 1.0, false), ("busy", 1.1, false), ("plain", 1.01, true)]
            {
                let own = 1.0 + f64::from((round * 3 + u32::from(again)) % 8) / 4000.0;
                let cpu = 10e-6 * disturbed * factor * own;
                samples.push(Sample {
                    subject: subject.to_owned(),
                    round,
                    again,
                    values: BTreeMap::from([
                        (Metric::CpuSecondsPerRequest, cpu),
                        (Metric::RequestsPerSecond, 1.0 / cpu),
                    ]),
                    percentiles: vec![(50.0, 0.001 * factor), (99.0, 0.004 * factor), (100.0, 0.02)],
                    wrk: vec![0.0011, 0.0004, 0.02, 88.1, 35_900.0, 1990.0, 41_200.0, 71.5],
                    ..Sample::default()
                });
            }
        }
        let last = samples.iter_mut().rev().find(|sample| sample.subject == "busy");
        *last.unwrap() = Sample {
            subject: "busy".to_owned(),
            round: 7,
            failed: Some("3 answers were not 2xx".to_owned()),
            ..Sample::default()
        };
        let subject = |name: &str, is: &str| Subject {
            name: name.to_owned(),
            is: is.to_owned(),
            command: vec![format!("{name}-server"), "8080".to_owned()],
            image_digest: (name == "plain").then(|| "sha256:1".to_owned()),
        };
        let against = |subject: &str, against: &str| Comparison {
            subject: subject.to_owned(),
            against: against.to_owned(),
        };
        Suite {
            format: FORMAT,
            name: "server".to_owned(),
            question: "What does it cost to be busy?".to_owned(),
            subjects: vec![subject("plain", "does nothing else"), subject("busy", "does more")],
            comparisons: vec![against("busy", "plain"), against("plain", "plain")],
            series: vec![Series {
                name: "saturation".to_owned(),
                how: "64 connections send as fast as they are answered.".to_owned(),
                command: vec!["wrk".to_owned(), "-t1".to_owned(), "-c64".to_owned()],
                metrics: vec![Metric::CpuSecondsPerRequest, Metric::RequestsPerSecond],
                axis: None,
                samples,
            }],
        }
    }

    /// Two lines along an axis: `flat` costs the same everywhere, `steep` grows with what there is of it.
    pub(crate) fn along_an_axis() -> Suite {
        let places = [10.0, 100.0, 1000.0];
        let points: Vec<Point> = ["flat", "steep"]
            .iter()
            .flat_map(|line| {
                places.map(|at| Point { subject: format!("{line}-{at}"), line: line.to_string(), at })
            })
            .collect();
        let sample = |point: &Point, round: u32| {
            let disturbed = 1.0 + f64::from(round * 5 % 8) / 20.0;
            let cost = 10e-6 * disturbed * if point.line == "steep" { point.at / 5.0 } else { 1.0 };
            let values = [
                (Metric::CpuSecondsPerRequest, cost),
                (Metric::PeakRssBytes, 5e6 * disturbed * if point.line == "steep" { 1.5 } else { 1.0 }),
            ];
            Sample { subject: point.subject.clone(), round, values: values.into(), ..Sample::default() }
        };
        let subject = |point: &Point| Subject {
            name: point.subject.clone(),
            is: format!("{} with {} plugins", point.line, point.at),
            command: vec![point.line.clone()],
            image_digest: None,
        };
        Suite {
            format: FORMAT,
            name: "scale".to_owned(),
            question: "What does it cost to have more?".to_owned(),
            subjects: points.iter().map(subject).collect(),
            comparisons: Vec::new(),
            series: vec![Series {
                name: "plugins".to_owned(),
                how: "There are more and more.".to_owned(),
                command: Vec::new(),
                metrics: vec![Metric::CpuSecondsPerRequest, Metric::PeakRssBytes],
                samples: (0..8)
                    .flat_map(|round| points.iter().map(move |point| sample(point, round)))
                    .collect(),
                axis: Some(Axis { of: "plugins".to_owned(), points: points.clone() }),
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for suite in [sample(), along_an_axis()] {
            assert_eq!(Suite::parse(&suite.to_json().unwrap()).unwrap(), suite);
        }
    }

    #[test]
    fn everything_has_a_place_of_its_own_along_an_axis() {
        type Change = fn(&mut Vec<Point>);
        let complaint = |change: Change| {
            let mut suite = along_an_axis();
            change(&mut suite.series[0].axis.as_mut().unwrap().points);
            format!("{:#}", Suite::parse(&suite.to_json().unwrap()).unwrap_err())
        };
        let cases: [(Change, &str); 4] = [
            (|points| drop(points.remove(0)), "its series \"plugins\": \"flat-10\" has no place"),
            (|points| points[1].at = 10.0, "\"flat-10\" and \"flat-100\" are at the same place"),
            (|points| points[1] = Point { at: 1.0, ..points[0].clone() }, "\"flat-100\" has no place"),
            (|points| points[2].at = 0.0, "\"flat-1000\" is at no place"),
        ];
        for (change, words) in cases {
            let complaint = complaint(change);
            assert!(complaint.contains(words), "{complaint}");
        }
    }

    #[test]
    fn what_is_compared_has_to_be_there() {
        let list = |pairs: &[(&str, &str)]| Comparison::list("server", pairs, &["busy", "plain"]);
        let suite = sample();
        assert_eq!(list(&[("busy", "plain"), ("plain", "plain")]).unwrap(), suite.comparisons);
        let error = list(&[("busy", "lazy")]).unwrap_err().to_string();
        assert!(error.contains("\"lazy\", which is none"), "{error}");
    }

    #[test]
    fn pairs_are_of_one_round_and_good_on_both_sides() {
        let suite = sample();
        let pairs = suite.series[0].pairs(&suite.comparisons[0], Metric::CpuSecondsPerRequest);
        assert_eq!(pairs.len(), 7);
        assert!(pairs.iter().all(|(busy, plain)| (busy / plain - 1.1).abs() < 0.01), "{pairs:?}");
        let noise = suite.series[0].pairs(&suite.comparisons[1], Metric::CpuSecondsPerRequest);
        assert!(noise.len() == 8 && noise.iter().all(|(again, first)| again > first), "{noise:?}");
    }

    #[test]
    fn there_is_a_ratio_where_one_can_be_computed() {
        let mut series = sample().series.remove(0);
        for sample in &mut series.samples {
            sample.values.insert(Metric::PeakRssBytes, 0.0);
            sample.values.insert(Metric::GeneratorLateSeconds, 1.0);
        }
        let comparison = &sample().comparisons[0];
        for (metric, there) in [
            (Metric::CpuSecondsPerRequest, true),
            (Metric::PeakRssBytes, false),
            (Metric::GeneratorLateSeconds, false),
            (Metric::WallSeconds, false),
        ] {
            assert_eq!(series.has_ratio(comparison, metric), there, "{metric:?}");
            assert_eq!(series.ratio(comparison, metric).is_some(), there, "{metric:?}");
        }
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let good = sample().to_json().unwrap();
        let cases = [
            ("\"format\": 1", "\"format\": 2", "it has format 2, this program reads 1"),
            (
                "\"subject\": \"busy\",\n          \"round\"",
                "\"subject\": \"lazy\",\n          \"round\"",
                "a sample of \"lazy\"",
            ),
            ("\"against\": \"plain\"", "\"against\": \"lazy\"", "it compares \"lazy\""),
            ("\"round\": 1", "\"round\": 1, \"rounder\": 1", "unknown field `rounder`"),
        ];
        for (from, to, complaint) in cases {
            let wrong = good.replace(from, to);
            assert_ne!(wrong, good, "{from}");
            let error = format!("{:#}", Suite::parse(&wrong).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }
}
