//! Tables with more and more hosts.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{Step, Steps};
use crate::bench::bed::Bed;
use crate::bench::metric::Metric;
use crate::bench::raw::Sample;
use crate::bench::timed_suite::{TIMES, TimedSubject};

const NUMBERS: [u32; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const NUMBERS_OF_QUICK: [u32; 2] = [10, 10_000];
/// What a lookup leads to does not matter.
const ADDRESS: &str = "127.0.0.1:9000";

/// Steps of hosts: of looking one up, of what a table takes, of changing one, and of writing all.
pub(super) fn steps<'a>(bed: &'a Bed<'_>) -> Result<Vec<Steps<'a>>> {
    let numbers = if bed.quick { &NUMBERS_OF_QUICK[..] } else { &NUMBERS };
    let bench = bed.program("backend-bench")?;
    for &hosts in numbers {
        let words = [&bench, "publish", &hosts.to_string(), &table(bed, hosts), ADDRESS];
        bed.run(&words.map(str::to_owned), &Default::default()).context("publishing a table")?;
    }
    let lookups = if bed.quick { 10_000 } else { 1 << 18 };
    let changes = if bed.quick { 10 } else { 100 };
    let parts = [
        Part {
            name: "lookup",
            is: "a host is looked up in a table of hosts",
            how: "Hosts from all over the table are read and looked up, in an order without a pattern, in processor time.",
            metric: Metric::LookupSeconds,
            times: lookups,
            words: |bed, hosts| {
                ["lookup", TIMES, &hosts.to_string(), &table(bed, hosts)].map(str::to_owned).into()
            },
        },
        Part {
            name: "size",
            is: "a table of hosts",
            how: "All files of the table, for each of its hosts.",
            metric: Metric::BytesPerEntry,
            times: 1,
            words: |bed, hosts| ["size", &hosts.to_string(), &table(bed, hosts)].map(str::to_owned).into(),
        },
        Part {
            name: "change",
            is: "a change of a table of hosts is published",
            how: "One change after the other is published, each behind 2048 others that the table does not have in it yet. The table is in memory, as in `/run`.",
            metric: Metric::PublishSeconds,
            times: changes,
            words: |_, hosts| ["change", TIMES, &hosts.to_string(), "/tmp/changed"].map(str::to_owned).into(),
        },
        Part {
            name: "write",
            is: "a table of hosts is written",
            how: "A whole table is written, in memory: time for each of its hosts.",
            metric: Metric::WallSeconds,
            times: 1,
            words: |_, hosts| {
                ["publish", &hosts.to_string(), "/tmp/written", ADDRESS].map(str::to_owned).into()
            },
        },
    ];
    Ok(parts.into_iter().map(|part| part.steps(bed, &bench, numbers)).collect())
}

/// One figure of tables.
struct Part {
    name: &'static str,
    is: &'static str,
    how: &'static str,
    metric: Metric,
    times: u32,
    /// Arguments of `backend-bench`.
    words: fn(&Bed<'_>, u32) -> Vec<String>,
}

impl Part {
    fn steps<'a>(&self, bed: &'a Bed<'_>, bench: &str, numbers: &[u32]) -> Steps<'a> {
        let step = |&hosts: &u32| {
            let argv = [vec![bench.to_owned()], (self.words)(bed, hosts)].concat();
            let subject = TimedSubject::new(self.name, format!("{}: {hosts}", self.is), argv, self.times);
            let metric = self.metric;
            Step {
                line: subject.name,
                at: hosts,
                is: subject.is.clone(),
                command: subject.command(),
                image_digest: None,
                take: Box::new(move || {
                    let value = subject.value(bed, metric)?;
                    Ok(Sample { values: BTreeMap::from([(metric, value)]), ..Sample::default() })
                }),
            }
        };
        Steps {
            series: self.name,
            how: self.how.to_owned(),
            command: Vec::new(),
            metrics: vec![self.metric],
            axis: "hosts",
            steps: numbers.iter().map(step).collect(),
            noise: self.metric != Metric::BytesPerEntry,
        }
    }
}

fn table(bed: &Bed<'_>, hosts: u32) -> String {
    bed.prepared(&format!("scale-table-{hosts}"))
}
