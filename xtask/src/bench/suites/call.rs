//! What a call through the contract costs.

use anyhow::Result;

use crate::bench::bed::Bed;
use crate::bench::metric::Metric;
use crate::bench::timed_suite::{TIMES, TimedSubject, TimedSuite};

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<TimedSuite> {
    let times = if bed.quick { 100_000 } else { 5_000_000 };
    let subject = |name, is: &str, plugin: Option<&str>| -> Result<TimedSubject> {
        let mut argv = vec![bed.program("plugin-bench")?, String::from(name), TIMES.to_owned()];
        argv.extend(plugin.map(|plugin| bed.program(plugin)).transpose()?);
        Ok(TimedSubject { name, is: is.to_owned(), argv, env: Default::default(), times, image: None })
    };
    Ok(TimedSuite {
        name: "call",
        question: "What does it cost to call a handler through the contract, against other ways that a program has to call what it does not know? \
                   The first four do nothing; the last two are the handler `ip`, linked in and loaded from its file.",
        series: "time",
        metric: Metric::CallSeconds,
        instructions: true,
        subjects: vec![
            subject("direct", "a function that is not inlined", None)?,
            subject("boxed", "a boxed closure", None)?,
            subject("dyn", "a method of a `dyn Trait`", None)?,
            subject("linked", "the same through the tables of the contract", None)?,
            subject("ip-linked", "`ip` through the tables, linked in", None)?,
            subject("ip-loaded", "`ip` through the tables, loaded with dlopen", Some("ip"))?,
        ],
        comparisons: &[
            ("dyn", "direct"),
            ("boxed", "direct"),
            ("linked", "direct"),
            ("linked", "dyn"),
            ("ip-loaded", "ip-linked"),
            ("ip-linked", "ip-linked"),
        ],
    })
}
