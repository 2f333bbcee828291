//! What the report says of compilers: `compiler_axis` in `matrix.json`.

use serde::{Deserialize, Serialize};

use crate::lab::{Compiler, Panic, Profile};
use crate::matrix::cell::Cell;
use crate::matrix::report::OddCell;

/// Who built what, and every pair of a plugin and the host that loads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompilerAxis {
    /// In the order of `lab.toml`.
    pub(crate) compilers: Vec<CompilerRow>,
    /// What they built, by target, in the order of the compilers.
    pub(crate) plugins: Vec<CompiledRow>,
    /// The hosts that some of them built, by target.
    pub(crate) probes: Vec<ProbeRow>,
    /// Every plugin in every host image of its own platform, loaded by each probe for it.
    pub(crate) cells: Vec<CompilerCell>,
}

/// A compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompilerRow {
    /// Its name in `lab.toml`.
    pub(crate) name: String,
    /// `sha256:<hex>` of the configuration of its image.
    pub(crate) image_digest: String,
    /// What it does not build for, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) without: Vec<WithoutRow>,
}

/// Combinations that do not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WithoutRow {
    /// Triples; `*` stands for any characters.
    pub(crate) targets: String,
    /// The reason.
    pub(crate) because: String,
}

/// A plugin as one compiler made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompiledRow {
    /// `ARTIFACT-COMPILER-PROFILE` and, in Rust, `-PANIC`.
    pub(crate) name: String,
    /// What it is made of: an artifact of `lab.toml`.
    pub(crate) artifact: String,
    /// The name of its compiler.
    pub(crate) compiler: String,
    /// The compiler as its note has it, with the whole version.
    pub(crate) version: String,
    /// How it was optimised.
    pub(crate) profile: Profile,
    /// What its panics do; absent in C, which has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) panic: Option<Panic>,
    /// Whether its note says that a panic in it ends its host: such a plugin has to be allowed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ends_host: bool,
    /// The target that it was built for.
    pub(crate) target: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
    /// The newest glibc symbol version that it needs, where it needs any.
    pub(crate) glibc_floor: Option<String>,
}

/// `plugin-probe` as one compiler made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProbeRow {
    /// The name of its compiler.
    pub(crate) compiler: String,
    /// The target that it was built for.
    pub(crate) target: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
    /// The newest glibc symbol version that it needs, where it needs any.
    pub(crate) glibc_floor: Option<String>,
}

/// A plugin in a host image, loaded by the probe of one compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompilerCell {
    /// The name of the compiler that built the probe.
    pub(crate) host_compiler: String,
    /// Whether the probe was told to take plugins whose panics end it.
    pub(crate) allow_abort: bool,
    /// What every cell has. Its `artifact` is `TARGET/NAME` of the plugin.
    #[serde(flatten)]
    pub(crate) cell: Cell,
}

impl CompilerAxis {
    /// Whether the run had none of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.compilers.is_empty()
    }

    /// The same with the cells of `host` alone.
    pub(crate) fn cells_in(&self, host: &str) -> Vec<&CompilerCell> {
        self.cells.iter().filter(|cell| cell.cell.host == host).collect()
    }

    /// Whether all but the cells is the same.
    pub(crate) fn is_built_as(&self, other: &CompilerAxis) -> bool {
        (&self.compilers, &self.plugins, &self.probes) == (&other.compilers, &other.plugins, &other.probes)
    }

    /// The cells that do not agree.
    pub(crate) fn odd_cells(&self) -> impl Iterator<Item = OddCell<'_>> {
        self.cells.iter().map(|cell| &cell.cell).filter(|cell| !cell.agree).map(OddCell::from)
    }

    /// The plugin that `cell` is about.
    pub(crate) fn plugin_of(&self, cell: &CompilerCell) -> Option<&CompiledRow> {
        self.plugins.iter().find(|row| row.is(&cell.cell.artifact))
    }

    /// What a part of it has that is another, or absent, in `self`.
    pub(crate) fn lacks_of(&self, part: &CompilerAxis) -> Option<String> {
        let row = |name: &str| format!("{name} of the compiler axis is another or absent there");
        if let Some(compiler) = part.compilers.iter().find(|one| !self.compilers.contains(one)) {
            return Some(row(&compiler.name));
        }
        if let Some(plugin) = part.plugins.iter().find(|one| !self.plugins.contains(one)) {
            return Some(row(&plugin.id()));
        }
        if let Some(probe) = part.probes.iter().find(|one| !self.probes.contains(one)) {
            return Some(row(&format!("the probe by {} for {}", probe.compiler, probe.target)));
        }
        let odd = part.cells.iter().find(|one| !self.cells.contains(one))?;
        Some(format!(
            "{} in {} by the probe of {} is another there",
            odd.cell.artifact, odd.cell.host, odd.host_compiler
        ))
    }
}

impl CompiledRow {
    /// How cells name it.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.target, self.name)
    }

    /// Whether cells name it so.
    fn is(&self, id: &str) -> bool {
        id.split_once('/') == Some((self.target.as_str(), self.name.as_str()))
    }
}

impl CompilerRow {
    /// What is said of `compiler`, whose image has this digest.
    pub(super) fn new(compiler: &Compiler, image_digest: &str) -> CompilerRow {
        let without = compiler
            .without
            .iter()
            .map(|without| WithoutRow { targets: without.targets.clone(), because: without.because.clone() });
        CompilerRow {
            name: compiler.name.clone(),
            image_digest: image_digest.to_owned(),
            without: without.collect(),
        }
    }
}

#[cfg(test)]
impl CompilerAxis {
    /// Two compilers, one of which builds hosts, and plugins that work, are refused, and end their host.
    pub(crate) fn sample() -> CompilerAxis {
        let text = r#"{
            "compilers": [
                {"name": "rustc-1.63", "image_digest": "sha256:1", "without": [{"targets": "*-musl", "because": "there is no std"}]},
                {"name": "gcc-14", "image_digest": "sha256:2"}
            ],
            "plugins": [
                {"name": "ip-rustc-1.63-debug-abort", "artifact": "ip", "compiler": "rustc-1.63", "version": "rustc 1.63.0", "profile": "debug",
                 "panic": "abort", "ends_host": true, "target": "x86_64-unknown-linux-gnu", "sha256": "1", "glibc_floor": "2.17"},
                {"name": "panics-rustc-1.63-release-abort", "artifact": "panics", "compiler": "rustc-1.63", "version": "rustc 1.63.0",
                 "profile": "release", "panic": "abort", "ends_host": true, "target": "x86_64-unknown-linux-gnu", "sha256": "2", "glibc_floor": "2.17"},
                {"name": "hello-c-gcc-14-release", "artifact": "hello-c", "compiler": "gcc-14", "version": "gcc 14.2.0", "profile": "release",
                 "target": "x86_64-unknown-linux-gnu", "sha256": "3", "glibc_floor": "2.14"}
            ],
            "probes": [{"compiler": "rustc-1.85", "target": "x86_64-unknown-linux-gnu", "sha256": "4", "glibc_floor": "2.17"}],
            "cells": [
                {"host_compiler": "rustc-1.85", "allow_abort": false, "host": "trixie-x86_64-gnu",
                 "artifact": "x86_64-unknown-linux-gnu/ip-rustc-1.63-debug-abort", "predicted": "refused", "observed": "refused",
                 "expected": "refused", "loader": "works", "agree": true, "reasons": [{"code": "panic.abort", "text": "why"}]},
                {"host_compiler": "rustc-1.85", "allow_abort": true, "host": "trixie-x86_64-gnu",
                 "artifact": "x86_64-unknown-linux-gnu/ip-rustc-1.63-debug-abort", "predicted": "works", "observed": "works",
                 "expected": "works", "loader": "works", "agree": true, "reasons": []},
                {"host_compiler": "rustc-1.85", "allow_abort": true, "host": "trixie-x86_64-gnu",
                 "artifact": "x86_64-unknown-linux-gnu/panics-rustc-1.63-release-abort", "predicted": "works", "observed": "crashed",
                 "expected": "crashed", "loader": "crashed", "agree": true, "reasons": [], "unforeseeable": true},
                {"host_compiler": "rustc-1.85", "allow_abort": false, "host": "trixie-x86_64-gnu",
                 "artifact": "x86_64-unknown-linux-gnu/hello-c-gcc-14-release", "predicted": "works", "observed": "failed",
                 "expected": "works", "loader": "failed", "agree": false, "reasons": [],
                 "disagreements": ["by the probe of rustc-1.85: the loader alone: failed, expected works"]}
            ]
        }"#;
        serde_json::from_str(text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_compared_with_its_whole_down_to_the_cell() {
        let whole = CompilerAxis::sample();
        let mut part = whole.clone();
        part.cells.remove(0);
        assert_eq!(whole.lacks_of(&part), None);
        assert!(part.is_built_as(&whole));
        part.cells[1].cell.observed = "works".to_owned();
        let lacks = whole.lacks_of(&part).unwrap();
        assert_eq!(
            lacks,
            "x86_64-unknown-linux-gnu/panics-rustc-1.63-release-abort in trixie-x86_64-gnu by the probe of rustc-1.85 is another there"
        );
        part.plugins[0].sha256 = "0".to_owned();
        assert!(
            whole
                .lacks_of(&part)
                .unwrap()
                .starts_with("x86_64-unknown-linux-gnu/ip-rustc-1.63-debug-abort of")
        );
        part.compilers[0].image_digest = "sha256:0".to_owned();
        assert!(whole.lacks_of(&part).unwrap().starts_with("rustc-1.63 of the compiler axis"));
        assert_eq!(whole.lacks_of(&CompilerAxis::default()), None);
    }

    #[test]
    fn cells_know_their_plugins_and_the_odd_ones_are_found() {
        let axis = CompilerAxis::sample();
        for cell in &axis.cells {
            assert_eq!(axis.plugin_of(cell).unwrap().id(), cell.cell.artifact);
        }
        let odd: Vec<&str> = axis.odd_cells().map(|cell| cell.subject).collect();
        assert_eq!(odd, ["x86_64-unknown-linux-gnu/hello-c-gcc-14-release"]);
        assert_eq!(
            (axis.cells_in("trixie-x86_64-gnu").len(), axis.cells_in("bookworm-x86_64-gnu").len()),
            (4, 0)
        );
    }
}
