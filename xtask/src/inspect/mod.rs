//! `cargo xtask inspect`: any shared object, judged from its bytes in every host, and opened there if that is asked for.

mod cell;
mod compile;
mod conclusion;
mod gallery;
mod hosts;
mod look;
mod odd;
mod opener;
mod portrait;
mod report;
mod run_path;
mod sarif;
mod sarif_rules;
mod schema;
mod subject;
mod terminal;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};
use plugin_compat::{HostReader, Policy, Verdict, judge_at, judge_unreadable};

use self::cell::{Cell, Observed};
pub(crate) use self::gallery::check_committed;
use self::hosts::Place;
use self::report::Report;
use self::subject::Subject;
use crate::engine;
use crate::flags::InspectFlags;
use crate::ground::Ground;

/// Inspects the files and prints what was found.
///
/// # Errors
/// What [`conclusion::conclude`] says of it; anything else that is wrong with what was asked for.
pub(crate) fn run(flags: &InspectFlags, ground: &Ground) -> Result<()> {
    if flags.schema {
        print!("{}", if flags.gallery { gallery::schema_text() } else { schema_text() });
        return Ok(());
    }
    if flags.gallery {
        return if flags.check { gallery::check_predictions(ground) } else { gallery::run(ground) };
    }
    let subjects = subject::read_all(&flags.files)?;
    let all: Vec<&Subject> = subjects.iter().collect();
    let places = hosts::select(flags, ground)?;
    if places.is_empty() {
        bail!("no host is left to inspect for; name others with --host or --rootfs");
    }
    let mut cells = Vec::new();
    let mut not_run = Vec::new();
    let mut versions = Vec::new();
    for place in &places {
        let (verdicts, version) = predict(place, &all)?;
        versions.push(version);
        let observed = flags.observe.then(|| look::look(place, &all, &verdicts, ground, &|_| {}));
        let observed = match observed.transpose() {
            Ok(observed) => observed,
            Err(error) => {
                not_run.push(format!("{}: {error:#}", place.name));
                None
            }
        };
        for (index, (subject, verdict)) in subjects.iter().zip(&verdicts).enumerate() {
            let seen: Option<&Observed> = observed.as_ref().map(|observed| &observed[index]);
            cells.push(Cell::of(&place.name, subject, verdict, seen));
        }
    }
    let writable: Vec<Vec<String>> =
        subjects.iter().map(|subject| run_path::writable(subject, &places)).collect();
    let report = Report::of(&subjects, &writable, &places, &versions, cells);
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if flags.sarif {
        println!("{}", serde_json::to_string_pretty(&sarif::render(&report))?);
    } else {
        print!("{}", terminal::render(&report));
    }
    let are_hosts_named = !flags.hosts.is_empty() || !flags.rootfs.is_empty();
    conclusion::conclude(&report, &not_run, are_hosts_named)
}

/// Judges every subject as the loader of `place` would; tells its C library's version, too.
fn predict(place: &Place, subjects: &[&Subject]) -> Result<(Vec<Verdict>, Option<String>)> {
    let root = &place.image.rootfs;
    let program = place.program.facts.clone();
    let reader = match &place.program.path {
        Some(path) => HostReader::open_at(root, &place.name, program, path),
        None => HostReader::open(root, &place.name, program),
    };
    let mut reader = reader
        .with_context(|| format!("host facts of {}", place.name))?
        .working_in(opener::WORKING_DIRECTORY);
    if engine::is_native(place.image.arch) {
        reader = reader.on_this_processor();
    }
    let policy = Policy::loader_only();
    let verdicts = subjects.iter().map(|subject| match &subject.facts {
        Ok(facts) => {
            let path = subject.path_in(root);
            judge_at(facts, &path, reader.learn_at(facts, &path), &policy)
        }
        Err(error) => judge_unreadable(error),
    });
    let verdicts = verdicts.collect();
    let version =
        reader.facts().libc.as_ref().and_then(|libc| libc.version).map(|version| version.to_string());
    Ok((verdicts, version))
}

/// Files that are odd in one way each, opened in every host; and every prediction for files of the galleries, compared with the committed one.
/// Gives the reason where the latter is not done.
///
/// # Errors
/// A disagreement when one is not as expected or committed, and that nothing was run when a host cannot run here; see [`Stop`](crate::error::Stop).
pub(crate) fn check(ground: &Ground) -> Result<Option<String>> {
    odd::check(ground)?;
    gallery::check_predictions_if_unpacked(ground)
}

/// The JSON Schema of what `--json` prints.
fn schema_text() -> &'static str {
    include_str!("schema.json")
}
