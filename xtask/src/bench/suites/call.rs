//! What a call through the contract costs.

use anyhow::Result;

use crate::bench::bed::Bed;
use crate::bench::metric::Metric;
use crate::bench::timed_suite::{TIMES, TimedSubject, TimedSuite};
use crate::build::stable_abi::{CALLER, OURS};

/// The suite.
pub(super) fn suite(bed: &Bed<'_>) -> Result<TimedSuite> {
    let times = if bed.quick { 100_000 } else { 5_000_000 };
    let subject = |name, what: &str, is: &str, plugin: Option<String>| -> Result<TimedSubject> {
        let mut argv = vec![bed.program("plugin-bench")?, what.to_owned(), TIMES.to_owned()];
        argv.extend(plugin);
        Ok(TimedSubject::new(name, is, argv, times))
    };
    let peer = |name: &'static str, library: &str| -> Result<TimedSubject> {
        let version = bed.stable_abi_version(name)?;
        let is = format!(
            "the same through a trait object of {name} {version}, loaded with dlopen by its own loader, which compares the types first"
        );
        let argv = [bed.stable_abi(CALLER)?, name.to_owned(), TIMES.to_owned(), bed.stable_abi(library)?];
        Ok(TimedSubject::new(name, is, argv.into(), times))
    };
    Ok(TimedSuite {
        name: "call",
        question: "What does it cost to call a handler through the contract, against other ways that a program has to call what it does not know? \
                   All but the last two do nothing; those are the handler `ip`, linked in and loaded from its file. Every call is given a request with the same \
                   fields and an empty response. Its caller makes the contract's form of the request anew for each call, as a server has to; stabby and \
                   abi_stable are given one that was made once, in their own types.",
        series: "time",
        metric: Metric::CallSeconds,
        instructions: true,
        subjects: vec![
            subject("direct", "direct", "a function that is not inlined", None)?,
            subject("boxed", "boxed", "a boxed closure", None)?,
            subject("dyn", "dyn", "a method of a `dyn Trait`", None)?,
            subject("linked", "linked", "the same through the tables of the contract", None)?,
            subject(
                "loaded",
                "loaded",
                "the same through the tables, loaded with dlopen",
                Some(bed.stable_abi(OURS)?),
            )?,
            peer("stabby", "stabby-noop")?,
            peer("abi_stable", "abi-stable-noop")?,
            subject("ip-linked", "ip-linked", "`ip` through the tables, linked in", None)?,
            subject(
                "ip-loaded",
                "loaded",
                "`ip` through the tables, loaded with dlopen",
                Some(bed.program("ip")?),
            )?,
        ],
        comparisons: &[
            ("dyn", "direct"),
            ("boxed", "direct"),
            ("linked", "direct"),
            ("linked", "dyn"),
            ("loaded", "linked"),
            ("loaded", "stabby"),
            ("loaded", "abi_stable"),
            ("ip-loaded", "ip-linked"),
            ("ip-linked", "ip-linked"),
        ],
    })
}
