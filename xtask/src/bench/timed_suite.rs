//! Suites of programs that do one thing so often and say how long that took; instructions are counted beside, since those repeat.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::bed::Bed;
use super::metric::Metric;
use super::raw::{Comparison, FORMAT, Sample, Series, Subject, Suite};
use super::rounds::{self, Turn};

/// A program.
pub(crate) struct TimedSubject {
    /// Unique in its suite.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) is: String,
    /// Program and arguments; the word [`TIMES`] stands for how often. Prints `{"seconds": …, "iterations": …}`, or `bytes` in the place of
    /// `seconds`.
    pub(crate) argv: Vec<String>,
    /// Its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// How often it does it in one sample.
    pub(crate) times: u32,
    /// The image that it comes from, if it is a peer.
    pub(crate) image: Option<&'static str>,
    /// Where one process measures several subjects by turns: that it prints the numbers of each under its name, and of the one that comes twice under
    /// its name and `-again`, too.
    pub(crate) by_turns: bool,
}

/// What is timed, and why.
pub(crate) struct TimedSuite {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is to answer.
    pub(crate) question: &'static str,
    /// What the way of measuring is called.
    pub(crate) series: &'static str,
    /// What the time of one is called, or its size.
    pub(crate) metric: Metric,
    /// Whether instructions are counted, too.
    pub(crate) instructions: bool,
    /// The programs.
    pub(crate) subjects: Vec<TimedSubject>,
    /// Pairs of names; the same name twice is an A/A row.
    pub(crate) comparisons: &'static [(&'static str, &'static str)],
}

/// Stands for a number in the arguments of a program.
pub(crate) const TIMES: &str = "N";

/// What a program prints.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    seconds: Option<f64>,
    bytes: Option<f64>,
    iterations: u32,
}

impl Said {
    /// For one.
    fn value(&self, metric: Metric) -> Result<f64> {
        ensure!(self.iterations > 0, "it did nothing");
        let iterations = f64::from(self.iterations);
        let said = |value: Option<f64>, what| value.with_context(|| format!("it did not print its {what}"));
        match metric {
            Metric::BytesPerEntry => Ok(said(self.bytes, "bytes")? / iterations),
            Metric::ChangesPerSecond => Ok(iterations / said(self.seconds, "seconds")?),
            _ => Ok(said(self.seconds, "seconds")? / iterations),
        }
    }
}

/// What one process has said of several subjects, in one round.
#[derive(Default)]
struct Together {
    round: Option<u32>,
    said: BTreeMap<String, Said>,
}

impl Together {
    /// What was said of the subject of this turn; `run` has it said, once a round.
    fn take(&mut self, turn: Turn<'_>, run: impl FnOnce() -> Result<Vec<u8>>) -> Result<Said> {
        if self.round != Some(turn.round) {
            self.said = serde_json::from_slice(&run()?).context("it printed no timings")?;
            self.round = Some(turn.round);
        }
        let name = format!("{}{}", turn.subject, if turn.again { "-again" } else { "" });
        self.said.remove(&name).with_context(|| format!("it printed no timing of {name}"))
    }
}

/// Counts with so many calls and with so many more: what a program does beside its calls cancels out.
const FEW: u32 = 1000;
const MANY: u32 = 101_000;
const CALLGRIND: [&str; 3] = ["/usr/bin/valgrind.bin", "--tool=callgrind", "--callgrind-out-file=/dev/null"];

impl TimedSuite {
    /// Takes all samples.
    pub(crate) fn measure(&self, bed: &Bed<'_>) -> Result<Suite> {
        let names: Vec<&str> = self.subjects.iter().map(|subject| subject.name).collect();
        let comparisons = Comparison::list(self.name, self.comparisons, &names)?;
        let together = RefCell::new(Together::default());
        let mut series = vec![self.series(
            bed,
            &comparisons,
            self.series,
            self.how(),
            &[],
            self.metric,
            |subject, turn| {
                if !subject.by_turns {
                    return subject.value(bed, self.metric);
                }
                let run = || Ok(bed.run(&subject.at(subject.times), &subject.env)?.stdout);
                together.borrow_mut().take(turn, run)?.value(self.metric)
            },
        )?];
        if self.instructions {
            series.push(self.series(
                bed,
                &comparisons,
                "instructions",
                "callgrind counts the instructions of 101,000 times and of 1,000 times; the difference, for each of 100,000. A small change that \
                 hides in the noise of times is seen here; what caches and branches cost is not.",
                &CALLGRIND,
                Metric::CallInstructions,
                |subject, _| {
                    let count = |times| -> Result<f64> {
                        let counted = CALLGRIND.map(str::to_owned).into_iter().chain(subject.at(times));
                        let said = bed.run(&counted.collect::<Vec<_>>(), &subject.env)?;
                        collected(&String::from_utf8_lossy(&said.stderr))
                    };
                    Ok((count(MANY)? - count(FEW)?) / f64::from(MANY - FEW))
                },
            )?);
        }
        let subjects = self.subjects.iter().map(|subject| Subject {
            name: subject.name.to_owned(),
            is: subject.is.clone(),
            command: subject.command(),
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

    /// How its values come about, for readers.
    fn how(&self) -> &'static str {
        if self.subjects.iter().any(|subject| subject.by_turns) {
            "A process each round, on the cores of servers, has all subjects do their work by turns, in N short blocks each, and says how long each took in all: what \
             they share may be fast in one second and slow in the next."
        } else {
            "Each sample is a process of its own, on the cores of servers, that does one thing N times and says how long that took."
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one series, each part of it once")]
    fn series(
        &self,
        bed: &Bed<'_>,
        comparisons: &[Comparison],
        name: &str,
        how: &str,
        command: &[&str],
        metric: Metric,
        value: impl Fn(&TimedSubject, Turn<'_>) -> Result<f64>,
    ) -> Result<Series> {
        let names: Vec<&str> = self.subjects.iter().map(|subject| subject.name).collect();
        let turns = rounds::turns(&names, comparisons, 0).len() as u64;
        let bar = bed.progress(turns * u64::from(bed.rounds), &format!("{} {name}", self.name));
        let take = |turn: Turn<'_>| -> Result<Sample> {
            let subject = self.subjects.iter().find(|subject| subject.name == turn.subject);
            let value = value(subject.context("a turn of nobody")?, turn)
                .with_context(|| format!("{} {name}, {}", self.name, turn.subject))?;
            bar.inc(1);
            Ok(Sample { values: BTreeMap::from([(metric, value)]), ..Sample::default() })
        };
        Ok(Series {
            name: name.to_owned(),
            how: how.to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            metrics: vec![metric],
            axis: None,
            samples: rounds::run(&names, comparisons, bed.rounds, take)?,
        })
    }
}

impl TimedSubject {
    /// One of our own programs, in a process of its own for each sample, with an empty environment.
    pub(crate) fn new(name: &'static str, is: impl Into<String>, argv: Vec<String>, times: u32) -> Self {
        Self { name, is: is.into(), argv, env: BTreeMap::new(), times, image: None, by_turns: false }
    }

    /// Takes one sample of it: the figure of one.
    pub(crate) fn value(&self, bed: &Bed<'_>, metric: Metric) -> Result<f64> {
        let said = bed.run(&self.command(), &self.env)?;
        let said: Said = serde_json::from_slice(&said.stdout).context("it printed no timing")?;
        said.value(metric)
    }

    /// Its command line.
    pub(crate) fn command(&self) -> Vec<String> {
        self.at(self.times)
    }

    /// Its command line for so many times.
    fn at(&self, times: u32) -> Vec<String> {
        self.argv.iter().map(|word| if word == TIMES { times.to_string() } else { word.clone() }).collect()
    }
}

/// The sum that callgrind says at its end: `==2== Collected : 4603502`.
fn collected(said: &str) -> Result<f64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, count) = line.with_context(|| format!("callgrind did not say what it collected:\n{said}"))?;
    count.trim().parse().with_context(|| format!("callgrind collected {count:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_sum_is_found() {
        let said = "==2== Command: /usr/bin/wrk -v\n==2== \n==2== Events    : Ir\n==2== Collected : 4603502\n==2== \n";
        assert_eq!(collected(said).unwrap(), 4_603_502.0);
        assert!(collected("==2== Command: x\n").unwrap_err().to_string().contains("Command: x"));
    }

    #[test]
    fn one_process_a_round_speaks_for_several() {
        let mut together = Together::default();
        let turn = |subject, round, again| Turn { subject, round, again };
        let said = |seconds| {
            let one = |more: f64| format!(r#"{{"seconds": {}, "iterations": 1}}"#, seconds + more);
            Ok(format!(r#"{{"a": {}, "a-again": {}, "b": {}}}"#, one(0.0), one(0.25), one(0.5)).into_bytes())
        };
        let mut take = |turn, seconds| {
            let said = together.take(turn, || said(seconds));
            said.map(|said| said.seconds)
        };
        assert_eq!(take(turn("b", 0, false), 1.0).unwrap(), Some(1.5));
        assert_eq!(take(turn("a", 0, true), 9.0).unwrap(), Some(1.25));
        assert_eq!(take(turn("a", 0, false), 9.0).unwrap(), Some(1.0));
        assert_eq!(take(turn("a", 1, false), 2.0).unwrap(), Some(2.0), "another round is another process");
        assert!(take(turn("c", 1, false), 9.0).unwrap_err().to_string().contains("no timing of c"));
    }

    #[test]
    fn a_program_is_told_how_often() {
        let argv = ["program", "what", TIMES, "file"].map(str::to_owned).into();
        let subject = TimedSubject::new("a", "a", argv, 5);
        assert_eq!(subject.at(7), ["program", "what", "7", "file"]);
    }

    #[test]
    fn a_timing_has_nothing_else() {
        let said: Said = serde_json::from_str("{\"seconds\": 0.000000500, \"iterations\": 2}").unwrap();
        assert_eq!(said, Said { seconds: Some(5e-7), bytes: None, iterations: 2 });
        assert!(serde_json::from_str::<Said>("{\"seconds\": 1, \"iterations\": 2, \"unit\": 1}").is_err());
    }

    #[test]
    fn what_is_said_is_for_one() {
        let time = Said { seconds: Some(0.5), bytes: None, iterations: 2 };
        assert_eq!(time.value(Metric::PublishSeconds).unwrap(), 0.25);
        assert_eq!(time.value(Metric::ChangesPerSecond).unwrap(), 4.0);
        assert!(time.value(Metric::BytesPerEntry).unwrap_err().to_string().contains("bytes"));
        let size = Said { seconds: None, bytes: Some(174.0), iterations: 2 };
        assert_eq!(size.value(Metric::BytesPerEntry).unwrap(), 87.0);
        assert!(Said { iterations: 0, ..time }.value(Metric::WallSeconds).is_err());
    }
}
