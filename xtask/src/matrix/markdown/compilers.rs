//! The part of the page about compilers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::escape;
use crate::lab::Panic;
use crate::matrix::cell::Cell;
use crate::matrix::compilers::{CompiledRow, CompilerAxis, CompilerCell};
use crate::matrix::report::Report;

/// Which compiler's plugins load in which compiler's hosts, and what comes of panics that nothing catches.
pub(super) fn tables(page: &mut String, report: &Report) {
    let axis = &report.compiler_axis;
    if axis.is_empty() {
        return;
    }
    let images = hosts_of(axis);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "\n## Compilers\n\nThe same sources by every compiler, in debug and release, with panics that unwind and that abort; loaded in {images} \
         host images by `plugin-probe` as built by each of the compilers above the columns; one that is older than plugin-host's `rust-version` builds \
         plugins only. A cell counts the loads that came to what they should.\n\n\
         | plugin built by |"
    );
    let host_compilers = host_compilers(axis);
    for host in &host_compilers {
        let _ = write!(page, " host built by {host} |");
    }
    let _ = write!(page, "\n| --- |{}\n", " --- |".repeat(host_compilers.len()));
    for compiler in &axis.compilers {
        let _ = write!(page, "| {} |", version_of(axis, &compiler.name));
        for host in &host_compilers {
            let _ = write!(page, " {} |", pair(axis, &compiler.name, host));
        }
        page.push('\n');
    }
    absent(page, axis);
    outcomes(page, axis);
    plugins(page, axis);
}

/// Compilers that build hosts, in the order of the report.
pub(in crate::matrix) fn host_compilers(axis: &CompilerAxis) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for probe in &axis.probes {
        if !found.contains(&probe.compiler.as_str()) {
            found.push(&probe.compiler);
        }
    }
    found
}

/// The cells of plugins by `compiler` in probes by `host_compiler`.
pub(in crate::matrix) fn cells_of<'a>(
    axis: &'a CompilerAxis,
    compiler: &str,
    host_compiler: &str,
) -> impl Iterator<Item = &'a Cell> + Clone {
    let is_wanted = |cell: &&CompilerCell| {
        let by = axis.plugin_of(cell).is_some_and(|plugin| plugin.compiler == compiler);
        by && cell.host_compiler == host_compiler
    };
    let cells: Vec<&Cell> = axis.cells.iter().filter(is_wanted).map(|cell| &cell.cell).collect();
    cells.into_iter()
}

fn hosts_of(axis: &CompilerAxis) -> usize {
    let names: std::collections::BTreeSet<&str> =
        axis.cells.iter().map(|cell| cell.cell.host.as_str()).collect();
    names.len()
}

/// The compiler with its whole version, as the notes of its plugins have it.
fn version_of<'a>(axis: &'a CompilerAxis, compiler: &'a str) -> &'a str {
    let of = |plugin: &&CompiledRow| plugin.compiler == compiler;
    axis.plugins.iter().find(of).map_or(compiler, |plugin| &plugin.version)
}

fn pair(axis: &CompilerAxis, compiler: &str, host_compiler: &str) -> String {
    let (mut agreed, mut count) = (0, 0);
    for cell in cells_of(axis, compiler, host_compiler) {
        count += 1;
        agreed += usize::from(cell.agree);
    }
    let mark = if agreed == count { "" } else { "**!** " };
    if count == 0 { "not run".to_owned() } else { format!("{mark}{agreed} of {count}") }
}

/// Combinations that do not exist, each with its reason.
fn absent(page: &mut String, axis: &CompilerAxis) {
    let mut title = "\nWhat does not exist:\n\n";
    for compiler in &axis.compilers {
        for without in &compiler.without {
            let _ = writeln!(
                page,
                "{}- {} for `{}`: {}.",
                std::mem::take(&mut title),
                version_of(axis, &compiler.name),
                without.targets,
                escape(&without.because)
            );
        }
    }
}

/// What came of loads, by what a panic does and whether hosts were told to allow it.
fn outcomes(page: &mut String, axis: &CompilerAxis) {
    let mut counts: BTreeMap<(&str, bool, String), usize> = BTreeMap::new();
    for cell in &axis.cells {
        let panic = match axis.plugin_of(cell).and_then(|plugin| plugin.panic) {
            None => "there are none, in C",
            Some(Panic::Unwind) => "unwinds",
            Some(Panic::Abort) => "ends the host \u{2021}",
        };
        let mark = if cell.cell.agree { "" } else { "**!** " };
        let came_of_it = match (cell.cell.observed.as_str(), cell.cell.reasons.first()) {
            ("failed", _) => "failed: the plugin panics, and its host gets an error".to_owned(),
            ("crashed", _) => "crashed: the plugin panics, and its host is gone".to_owned(),
            (observed, Some(reason)) => format!("{observed}: `{}`", reason.code),
            (observed, None) => observed.to_owned(),
        };
        *counts.entry((panic, cell.allow_abort, format!("{mark}{came_of_it}"))).or_default() += 1;
    }
    page.push_str(
        "\n\u{2021} Its note says that a panic in it ends the process. A host takes such a plugin only with `--allow-abort`.\n\n\
         | a panic | `--allow-abort` | came to | loads |\n| --- | --- | --- | ---: |\n",
    );
    for ((panic, allowed, came_of_it), count) in counts {
        let allowed = if allowed { "yes" } else { "no" };
        let _ = writeln!(page, "| {panic} | {allowed} | {came_of_it} | {count} |");
    }
}

/// Every plugin, with its glibc floor for each target that has one.
fn plugins(page: &mut String, axis: &CompilerAxis) {
    let mut targets: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for plugin in &axis.plugins {
        if !targets.contains(&plugin.target.as_str()) {
            targets.push(&plugin.target);
        }
        if !names.contains(&plugin.name.as_str()) {
            names.push(&plugin.name);
        }
    }
    page.push_str("\nThe glibc floor of each:\n\n| plugin |");
    for target in &targets {
        let _ = write!(page, " {target} |");
    }
    let _ = write!(page, "\n| --- |{}\n", " --- |".repeat(targets.len()));
    for name in names {
        let of =
            |target: &str| axis.plugins.iter().find(|plugin| plugin.name == name && plugin.target == target);
        let ends_host = axis.plugins.iter().any(|plugin| plugin.name == name && plugin.ends_host);
        let _ = write!(page, "| {name}{} |", if ends_host { " \u{2021}" } else { "" });
        for target in &targets {
            let floor = match of(target) {
                None => "absent",
                Some(plugin) => plugin.glibc_floor.as_deref().unwrap_or("none"),
            };
            let _ = write!(page, " {floor} |");
        }
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_compilers_absences_and_what_panics_do_are_told() {
        let report = Report { compiler_axis: CompilerAxis::sample(), ..Report::default() };
        let mut page = String::new();
        tables(&mut page, &report);
        insta::assert_snapshot!(page.trim_start());
        page.clear();
        tables(&mut page, &Report::default());
        assert_eq!(page, "");
    }
}
