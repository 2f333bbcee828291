//! Files of our own that are odd in one way each, in every host image: the rules that no module of others may happen to need.

use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::cell::{Cell, Outcome};
use super::compile::{self, Recipe};
use super::hosts;
use super::look::look;
use super::predict;
use super::subject::Subject;
use crate::error::Stop;
use crate::ground::Ground;
use crate::images::any_matches;
use crate::lab::Lab;

const TEXT: &str = include_str!("odd.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    odd: Vec<Odd>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Odd {
    name: String,
    source: String,
    /// A program for any address, and not a library.
    #[serde(default)]
    program: bool,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    refused: Vec<Refusal>,
}

/// Where a file does not load, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    /// A pattern of hosts' names.
    hosts: String,
    code: String,
}

/// Compiles all, and predicts and observes them in every host of their architecture.
///
/// # Errors
/// [`Stop::Disagreement`] with every cell that is not as it should be; [`Stop::NotRun`] when a host cannot run here.
pub(super) fn check(ground: &Ground) -> Result<()> {
    let all = read()?;
    let lab = Lab::read(&ground.repository)?;
    let mut subjects = Vec::new();
    let mut built_for = Vec::new();
    for odd in &all {
        for target in &lab.targets {
            let file = build(odd, &target.triple, ground)?;
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            subjects.push(Subject::of(format!("{}/{}", target.triple, odd.name), file, &bytes));
            built_for.push((odd, target));
        }
    }
    let mut problems = Vec::new();
    let mut cells = 0;
    for place in hosts::of_lab(ground)? {
        let met: Vec<usize> =
            (0..subjects.len()).filter(|at| built_for[*at].1.arch == place.image.arch).collect();
        let opened: Vec<&Subject> = met.iter().map(|at| &subjects[*at]).collect();
        let (verdicts, _) = predict(&place, &opened)?;
        let seen = look(&place, &opened, &verdicts, ground, &|_| {});
        let seen = seen.map_err(|error| Stop::NotRun(format!("not observed: {}: {error:#}", place.name)))?;
        for (at, seen) in seen.iter().enumerate() {
            let cell = Cell::of(&place.name, opened[at], &verdicts[at], Some(seen));
            let (odd, target) = built_for[met[at]];
            problems.extend(problem(&cell, odd, target.libc == place.libc));
            cells += 1;
        }
    }
    if !problems.is_empty() {
        let count = problems.len();
        eprintln!("{}", problems.join("\n"));
        bail!(Stop::Disagreement(format!("{count} of {cells} cells of odd files are not as expected")));
    }
    eprintln!("{cells} cells of odd files are as predicted and expected");
    Ok(())
}

fn read() -> Result<Vec<Odd>> {
    Ok(toml::from_str::<File>(TEXT).context("odd.toml")?.odd)
}

fn build(odd: &Odd, target: &str, ground: &Ground) -> Result<std::path::PathBuf> {
    let mut arguments = vec!["-std=c11", "-O2"];
    arguments.extend(if odd.program { ["-fPIE", "-pie"] } else { ["-fPIC", "-shared"] });
    arguments.extend(odd.arguments.iter().map(String::as_str));
    let name = format!("{}.so", odd.name);
    compile::ensure(&Recipe { name: &name, target, source: &odd.source, arguments: &arguments }, ground)
}

/// What is wrong with a cell; `is_home` where file and host have one C library.
fn problem(cell: &Cell, odd: &Odd, is_home: bool) -> Option<String> {
    let expected = odd
        .refused
        .iter()
        .find(|refusal| is_home && any_matches(std::slice::from_ref(&refusal.hosts), &cell.host));
    let is_expected = match expected {
        _ if !is_home => true,
        None => cell.predicted == Outcome::Loads,
        Some(refusal) => cell.reasons.iter().any(|reason| reason.code == refusal.code),
    };
    let words = || {
        let codes: Vec<&str> = cell.reasons.iter().map(|reason| reason.code.as_str()).collect();
        format!(
            "{} in {}: predicted {} {codes:?}, observed {} ({}), expected {:?}",
            cell.artifact,
            cell.host,
            cell.predicted.word(),
            cell.observed.map_or("nothing", Outcome::word),
            cell.message.as_deref().unwrap_or_default(),
            expected.map(|refusal| &refusal.code),
        )
    };
    (!is_expected || cell.agree != Some(true)).then(words)
}

#[cfg(test)]
mod tests {
    use plugin_compat::Code;

    use super::*;

    #[test]
    fn expected_codes_are_codes_and_names_are_files() {
        let all = read().unwrap();
        assert!(all.len() > 10);
        for odd in &all {
            assert!(odd.name.chars().all(|one| one.is_ascii_lowercase() || one == '-'), "{}", odd.name);
            for refusal in &odd.refused {
                assert!(refusal.code.parse::<Code>().is_ok(), "{}", refusal.code);
            }
        }
    }
}
