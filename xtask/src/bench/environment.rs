//! `env.json`: on what and with what a run was made. It names no user, no host and no path of the machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The machine, the inputs and the command line of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    /// The day it began, as `2026-01-31`, UTC.
    pub(crate) date: String,
    /// What the machine is called in reports.
    pub(crate) machine: String,
    /// The target of all programs of this repository.
    pub(crate) target: String,
    /// The command line, without the program.
    pub(crate) arguments: Vec<String>,
    /// The commit, with `+` behind it if files differed from it.
    pub(crate) revision: String,
    /// The processor's own name.
    pub(crate) cpu: String,
    /// How many cores the kernel has online.
    pub(crate) cores: usize,
    /// The cores of servers.
    pub(crate) server_cores: Vec<usize>,
    /// The cores of what loads them.
    pub(crate) generator_cores: Vec<usize>,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How clock frequencies are chosen.
    pub(crate) governor: String,
    /// The allocator of this repository's programs.
    pub(crate) allocator: String,
    /// What ran the programs.
    pub(crate) engine: String,
    /// Memory, in bytes.
    pub(crate) memory_bytes: u64,
    /// The machine's load average over a minute at the start: what else was running.
    pub(crate) load_at_start: f64,
    /// Every image that took part, with its digest.
    pub(crate) images: BTreeMap<String, String>,
    /// Whether all images were those of their locks.
    pub(crate) pinned: bool,
    /// Whether it was made to prove that everything runs, and not to measure.
    pub(crate) quick: bool,
}

impl Environment {
    /// The name of the run's folder.
    pub(crate) fn run_name(&self) -> String {
        format!("{}-{}-{}", self.date, self.machine, self.target)
    }

    /// The rows of the page's table.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let cores = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let shared = if self.server_cores.iter().any(|core| self.generator_cores.contains(core)) {
            " (shared with the servers)"
        } else {
            ""
        };
        vec![
            ("processor", format!("{}, {} cores", self.cpu, self.cores)),
            ("memory", format!("{:.0} GiB", self.memory_bytes as f64 / f64::from(1 << 30))),
            ("cores of servers", cores(&self.server_cores)),
            ("cores of the generator", cores(&self.generator_cores) + shared),
            ("kernel", self.kernel.clone()),
            ("governor", self.governor.clone()),
            ("load average before", format!("{:.2}", self.load_at_start)),
            ("target", self.target.clone()),
            ("allocator", self.allocator.clone()),
            ("engine", self.engine.clone()),
            ("revision", self.revision.clone()),
            ("command", format!("`cargo xtask {}`", self.arguments.join(" "))),
        ]
    }
}

/// The processor's name as part of a folder's name: `AMD EPYC 7B13` becomes `amd-epyc-7b13`.
pub(crate) fn machine_name(cpu: &str, cores: usize) -> String {
    let words: Vec<String> = cpu
        .to_lowercase()
        .replace("(r)", " ")
        .replace("(tm)", " ")
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && *word != "cpu" && *word != "processor")
        .map(str::to_owned)
        .collect();
    format!("{}-{cores}c", words.join("-"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> Environment {
        Environment {
            date: "2026-01-31".into(),
            machine: "amd-epyc-7b13-2c".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            arguments: ["bench", "--suite", "server"].map(str::to_owned).into(),
            revision: "0123456789ab".into(),
            cpu: "AMD EPYC 7B13".into(),
            cores: 2,
            server_cores: vec![0],
            generator_cores: vec![1],
            kernel: "6.18.0".into(),
            governor: "performance".into(),
            allocator: "glibc's malloc".into(),
            engine: "sandbox".into(),
            memory_bytes: 24 << 30,
            load_at_start: 0.12,
            images: BTreeMap::from([("bench-tools".to_owned(), "sha256:2".to_owned())]),
            pinned: true,
            quick: false,
        }
    }

    #[test]
    fn a_machine_is_named_by_its_processor() {
        let cases = [
            ("AMD EPYC 7B13", "amd-epyc-7b13-2c"),
            ("Intel(R) Xeon(R) CPU @ 2.20GHz", "intel-xeon-2-20ghz-2c"),
            ("", "-2c"),
        ];
        for (cpu, name) in cases {
            assert_eq!(machine_name(cpu, 2), name);
        }
        assert_eq!(sample().run_name(), "2026-01-31-amd-epyc-7b13-2c-x86_64-unknown-linux-gnu");
    }
}
