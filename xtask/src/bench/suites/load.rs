//! What it takes to get a plugin.

use std::collections::BTreeMap;

use anyhow::Result;

use super::programs::{GO, libraries};
use crate::bench::bed::Bed;
use crate::bench::metric::Metric;
use crate::bench::timed_suite::{TIMES, TimedSubject, TimedSuite};

/// Images of peers.
pub(super) const PEERS: &[&str] = &[GO];

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<TimedSuite> {
    let subject = |name, is: &str, what: &str, times| -> Result<TimedSubject> {
        let argv = vec![bed.program("plugin-bench")?, what.to_owned(), TIMES.to_owned(), bed.program("ip")?];
        Ok(TimedSubject::new(name, is, argv, times))
    };
    Ok(TimedSuite {
        name: "load",
        question: "How long does it take to get a plugin, all checks included, and how much of that is the judgement? The plugin is `ip`. Files are in the \
                   page cache, as those of a server that was just deployed are.",
        series: "time",
        metric: Metric::WallSeconds,
        instructions: false,
        subjects: vec![
            subject("judge", "reads the file and judges it: the first of a process", "judge", 1)?,
            subject(
                "dlopen",
                "dlopen(3) of a copy in memory, and nothing else: the first plugin of a process",
                "dlopen",
                1,
            )?,
            subject("load", "reads, judges, loads and asks it: the first plugin of a process", "load", 1)?,
            subject("load-100", "the same, each of a hundred in one process", "load", 100)?,
            subject(
                "registry-100",
                "a registry of a hundred: each loaded as before, made an instance and published under its name",
                "registry",
                100,
            )?,
            TimedSubject {
                env: BTreeMap::from([libraries(bed, GO)]),
                image: Some(GO),
                ..TimedSubject::new(
                    "go-open",
                    "Go's `plugin.Open` and a look-up, by a program that has net/http linked in",
                    vec![bed.peer(GO, "usr/bin/go-open"), bed.peer(GO, "usr/lib/peer/ip.so")],
                    1,
                )
            },
        ],
        comparisons: &[
            ("judge", "load"),
            ("dlopen", "load"),
            ("load-100", "load"),
            ("registry-100", "load-100"),
            ("load", "go-open"),
            ("load", "load"),
        ],
    })
}
