//! What the judge says inside this host, beside what the loader does: the two must not contradict each
//! other, nor a verdict that was reached from outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plugin_compat::{HostReader, Policy, Reason, judge, judge_unreadable};
use plugin_host::HostEnvironment;
use serde::Serialize;

use crate::observe::with_source;

/// A verdict on one file.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    pub(crate) loadable: bool,
    /// Empty for a file that cannot be read at all.
    pub(crate) reasons: Vec<Reason>,
}

/// Reads the facts of this process and of the system around it.
pub(crate) fn read_host() -> Result<HostReader, String> {
    HostReader::of_running_process()
        .map_err(|error| format!("cannot read the facts of this host: {}", with_source(&error)))
}

/// What plugins are told about this host.
pub(crate) fn environment(host: &HostReader) -> HostEnvironment {
    let version = host.facts().libc.as_ref().and_then(|libc| libc.version.as_ref());
    HostEnvironment::gather(BTreeMap::new(), version.map(ToString::to_string).unwrap_or_default())
}

/// Judges one file, of any kind of plugin; one whose panics end the process passes only with `allow_abort`. Runs none of its code.
pub(crate) fn judge_file(host: &mut HostReader, file: &Path, allow_abort: bool) -> Judged {
    let Ok(bytes) = fs::read(file) else { return Judged { loadable: false, reasons: Vec::new() } };
    let verdict = match plugin_compat::ElfFacts::parse(&bytes) {
        Ok(facts) => judge(&facts, host.learn(&facts), &Policy::any_kind().allowing_abort(allow_abort)),
        Err(error) => judge_unreadable(&error),
    };
    Judged { loadable: verdict.loadable, reasons: verdict.reasons }
}
