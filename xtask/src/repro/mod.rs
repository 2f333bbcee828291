//! `cargo xtask repro`: builds twice, the second time in circumstances as different as this machine allows, and compares all that comes out,
//! byte by byte.
//!
//! What is compiled is compiled inside pinned images, where little of this machine shows; that this is so, and that nothing which xtask itself
//! makes depends on the rest, is what two builds prove.

mod circumstances;
mod compare;
mod means;
mod outcome;
mod parts;
mod place;
mod room;
mod site;
mod stage;

use std::collections::BTreeSet;
use std::env;

use anyhow::{Context, Result};

use self::circumstances::{Circumstances, table};
use self::compare::{Compared, compare};
use self::outcome::{Outcome, conclude};
pub(crate) use self::parts::{Part, Selection};
use self::site::Site;
pub(crate) use self::stage::run_if_reexecuted;
use crate::build::{nginx, vendor};
use crate::difference::Clues;
use crate::engine;
use crate::flags::ReproFlags;
use crate::ground::Ground;
use crate::images;
use crate::lab::Lab;

/// Builds twice what the flags ask for, and compares.
///
/// # Errors
/// [`Stop::Disagreement`](crate::error::Stop::Disagreement) when anything differs; it names the first difference of each file.
pub(crate) fn run(flags: &ReproFlags, ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let (selection, left_out) = Selection::of(flags, &lab)?;
    for one in left_out {
        eprintln!("repro: left out: {one}");
    }
    twice(&selection, flags, &lab, ground)
}

/// The step of CI: what this clone has built already is the first build, and the second is of what [`Selection::for_ci`] says.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn prove(ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let flags = ReproFlags { once: true, ..ReproFlags::default() };
    twice(&Selection::for_ci(&lab), &flags, &lab, ground)
}

fn twice(selection: &Selection, flags: &ReproFlags, lab: &Lab, ground: &Ground) -> Result<()> {
    let needs = room::needs(selection, flags.keep);
    let (here, there) = match &flags.scratch {
        Some(folder) => {
            let folder = std::path::absolute(folder).context("--scratch is not a usable path")?;
            (folder.clone(), folder)
        }
        // Not in one place, as they had better be on different file systems.
        None => (env::temp_dir(), room::roomiest(&ground.repository, needs)),
    };
    let places = if flags.once { vec![there.as_path()] } else { vec![here.as_path(), there.as_path()] };
    room::check(&places, needs)?;
    let known = provide(selection, lab, ground)?;
    let first = if flags.once { site::own(ground)? } else { site::copy(ground, &here, flags.keep, &known)? };
    let (circumstances, fewest_cores) = (&first.circumstances, selection.fewest_cores);
    let (second, means) = site::elsewhere(ground, &there, flags.keep, &known, circumstances, fewest_cores)?;
    println!("Two builds. What differs between them, and what could not be changed:\n");
    println!("{}", table(&first.circumstances, &second.circumstances, &means));

    let clues = clues(&first.circumstances, &second.circumstances);
    let builds = [(first.name, first.repository()), (second.name, second.repository())];
    let mut outcomes = Vec::new();
    for &part in &selection.parts {
        let needed = selection.images_needed_after(part, lab);
        // No names would be those of all.
        let used = if needed.is_empty() { BTreeSet::new() } else { digests(&ground.images, &needed)? };
        let outcome = build_both(part, selection, [&first, &second], &clues, &used)?;
        print!("{}", outcome.tell(builds));
        outcomes.push(outcome);
    }
    conclude(&outcomes)
}

/// Builds `part` at both sites, whatever becomes of it at the first, and compares what came out. Of images those stay that are `used` later.
///
/// # Errors
/// An interrupt, and a disk that fails; what goes wrong with the build itself is part of its outcome.
fn build_both(
    part: Part,
    selection: &Selection,
    sites: [&Site; 2],
    clues: &Clues,
    used: &BTreeSet<String>,
) -> Result<Outcome> {
    let mut failures = Vec::new();
    for site in sites {
        let commands = part.commands(selection, site.is_own, &site.beside());
        if let Err(error) = commands.iter().try_for_each(|command| site.run(command)) {
            // Then what is left would be stopped, too.
            if engine::interrupted() {
                return Err(error);
            }
            failures.push(error);
        }
        site.drop_images(used)?;
    }
    let compared = match compare(&part.products(selection), sites.map(Site::repository), clues) {
        Ok(compared) => compared,
        Err(error) => {
            // What was not made after a failure is no finding of its own.
            if failures.is_empty() {
                failures.push(error);
            }
            Compared::default()
        }
    };
    Ok(Outcome { part, compared, failures })
}

/// Fetches all that the second build cannot fetch for itself, makes the images that are not made anew, and gives the digests of those.
fn provide(selection: &Selection, lab: &Lab, ground: &Ground) -> Result<BTreeSet<String>> {
    let mut anew = BTreeSet::new();
    if selection.parts.contains(&Part::Images) {
        images::fetch_all(&ground.images, &selection.images)?;
        anew.extend(digests(&ground.images, &selection.images)?);
    }
    // All that is in them is read, and another user may not read all that somebody's image has.
    if !selection.galleries.is_empty() {
        images::fetch_all(&ground.images, &selection.galleries)?;
        anew.extend(digests(&ground.images, &selection.galleries)?);
    }
    let needed = selection.needed_images(lab);
    if !needed.is_empty() {
        images::build(&ground.images, &needed)?;
        vendor::ensure(&ground.repository, &ground.cache)?;
    }
    if selection.needs_module() {
        vendor::ensure(&ground.repository.join(nginx::WORKSPACE), &ground.cache)?;
    }
    place::make_shared(&ground.cache)?;
    Ok(&digests(&ground.images, &[])? - &anew)
}

/// The digests that the locks of those images demand, or of all if none is named, in hex.
fn digests(options: &images::Options, names: &[String]) -> Result<BTreeSet<String>> {
    let locked = images::locked(options, names)?.into_values();
    Ok(locked.map(|digest| digest.trim_start_matches("sha256:").to_owned()).collect())
}

fn clues(first: &Circumstances, second: &Circumstances) -> Clues {
    Clues { builds: [first.clues(second), second.clues(first)], times: None }
}
