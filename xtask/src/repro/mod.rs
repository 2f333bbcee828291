//! `cargo xtask repro`: builds twice, the second time in circumstances as different as this machine allows, and compares all that comes out,
//! byte by byte.
//!
//! What is compiled is compiled inside pinned images, where little of this machine shows; that this is so, and that nothing which xtask itself
//! makes depends on the rest, is what two builds prove.

mod circumstances;
mod compare;
mod means;
mod parts;
mod place;
mod site;
mod stage;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::statvfs;

use self::circumstances::{Circumstances, FileSystem, table};
use self::compare::{Compared, compare};
pub(crate) use self::parts::{Part, Selection};
use self::site::Site;
pub(crate) use self::stage::run_if_reexecuted;
use crate::build::{nginx, vendor};
use crate::difference::{Clues, Difference};
use crate::error::Stop;
use crate::flags::ReproFlags;
use crate::ground::Ground;
use crate::images;
use crate::lab::Lab;

/// Memory that folders can be made in, on most machines.
const MEMORY: &str = "/dev/shm";
/// What a build of one target takes, and what images take that are made anew, in bytes and generously.
const TARGET_NEEDS: u64 = 3 << 30;
const IMAGES_NEED: u64 = 5 << 30;
/// So many files are shown with their differences.
const SHOWN: usize = 20;

/// Builds twice what the flags ask for, and compares.
///
/// # Errors
/// [`Stop::Disagreement`] when anything differs; it names the first difference of each file.
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
    let known = provide(selection, lab, ground)?;
    let (here, there) = match &flags.scratch {
        Some(folder) => {
            let folder = std::path::absolute(folder).context("--scratch is not a usable path")?;
            (folder.clone(), folder)
        }
        // Not in one place, as they had better be on different file systems.
        None => (env::temp_dir(), roomiest(&ground.repository, needs(selection))?),
    };
    let first = if flags.once { site::own(ground)? } else { site::copy(ground, &here, flags.keep, &known)? };
    let (circumstances, fewest_cores) = (&first.circumstances, selection.fewest_cores);
    let (second, means) = site::elsewhere(ground, &there, flags.keep, &known, circumstances, fewest_cores)?;
    println!("Two builds. What differs between them, and what could not be changed:\n");
    println!("{}", table(&first.circumstances, &second.circumstances, &means));

    let clues = clues(&first.circumstances, &second.circumstances);
    let mut different = Vec::new();
    for part in &selection.parts {
        for site in [&first, &second] {
            for command in part.commands(selection, site.is_own, &site.beside()) {
                site.run(&command)?;
            }
        }
        let repositories = [first.repository(), second.repository()];
        let compared = compare(&part.products(selection), repositories, &clues)?;
        println!("{}", line(*part, &compared));
        different.extend(compared.differences);
    }
    let Some((file, _)) = different.first() else { return Ok(()) };
    for (file, found) in different.iter().take(SHOWN) {
        print!("\n{}", explain(file, found, [&first, &second]));
    }
    bail!(Stop::Disagreement(format!(
        "{} of the files are not the same in both builds, {} first",
        different.len(),
        file.display()
    )))
}

/// Fetches all that the second build cannot fetch for itself, makes the images that are not made anew, and gives the digests of those.
fn provide(selection: &Selection, lab: &Lab, ground: &Ground) -> Result<BTreeSet<String>> {
    let anew: BTreeSet<String> = if selection.parts.contains(&Part::Images) {
        images::fetch_all(&ground.images, &selection.images)?;
        images::locked(&ground.images, &selection.images)?.into_values().collect()
    } else {
        BTreeSet::new()
    };
    let needed = selection.needed_images(lab);
    if !needed.is_empty() {
        images::build(&ground.images, &needed)?;
        vendor::ensure(&ground.repository, &ground.cache)?;
    }
    let needs_module = [Part::Nginx, Part::Release, Part::Matrix];
    if needs_module.iter().any(|part| selection.parts.contains(part)) {
        vendor::ensure(&ground.repository.join(nginx::WORKSPACE), &ground.cache)?;
    }
    place::make_shared(&ground.cache)?;
    let all = images::locked(&ground.images, &[])?.into_values();
    let without_algorithm = |digest: String| digest.trim_start_matches("sha256:").to_owned();
    Ok(all.filter(|digest| !anew.contains(digest)).map(without_algorithm).collect())
}

/// How many bytes a build takes, at most.
fn needs(selection: &Selection) -> u64 {
    let is_of_all_images = selection.parts.contains(&Part::Images) && selection.images.is_empty();
    let images = if is_of_all_images { IMAGES_NEED } else { 0 };
    let compiles = selection.parts.iter().any(|part| !matches!(part, Part::Images | Part::Reports));
    let targets = if compiles { selection.targets.len() as u64 * TARGET_NEEDS } else { 0 };
    (1 << 30) + images + targets
}

/// Where builds lie unless somebody says: in memory where there is plenty, since that is another file system than that of the repository;
/// else where temporary files do.
fn roomiest(repository: &Path, needs: u64) -> Result<PathBuf> {
    let memory = Path::new(MEMORY);
    let is_roomy = || -> Result<bool> {
        let (there, here) = (FileSystem::of(memory)?, FileSystem::of(repository)?);
        let room = statvfs(memory)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        // Half of what is free stays free.
        Ok(there.executes && there.kind != here.kind && free.min(available_memory()?) / 2 >= needs)
    };
    Ok(if is_roomy().unwrap_or(false) { memory.to_owned() } else { env::temp_dir() })
}

/// In bytes. Source: proc_meminfo(5).
fn available_memory() -> Result<u64> {
    let table = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no MemAvailable")?;
    Ok(kib.trim().parse::<u64>()? << 10)
}

fn clues(first: &Circumstances, second: &Circumstances) -> Clues {
    Clues { builds: [first.clues(second), second.clues(first)], times: None }
}

/// How a part came out.
fn line(part: Part, compared: &Compared) -> String {
    let name = part.name();
    let Compared { files, bytes, differences } = compared;
    match (part, differences.len()) {
        (Part::Images, _) => format!("{name}: all as their locks say"),
        (_, 0) => format!("{name}: {files} files, {:.1} MB, all the same", *bytes as f64 / 1e6),
        (_, number) => format!("{name}: {number} of {files} files DIFFER"),
    }
}

/// A difference with both sides and what it comes from.
fn explain(file: &Path, found: &Difference, sites: [&Site; 2]) -> String {
    let mut text = format!("{}: {}\n", file.display(), found.place.join(", "));
    for (site, shown) in sites.into_iter().zip([&found.first, &found.second]) {
        text.push_str(&format!("  {} build, {}: {shown}\n", site.name, site.repository().display()));
    }
    if let Some(cause) = &found.cause {
        text.push_str(&format!("  likely cause: {cause}\n"));
    }
    if found.others > 0 {
        text.push_str(&format!("  {} further parts of it differ, too\n", found.others));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_lie_in_memory_only_where_there_is_plenty() {
        let repository = crate::paths::repository().unwrap();
        assert_eq!(roomiest(&repository, u64::MAX).unwrap(), env::temp_dir());
        assert!(available_memory().unwrap() > 1 << 20);
        let lab = Lab::read(&repository).unwrap();
        let ci = Selection::for_ci(&lab);
        let (all, _) = Selection::of(&ReproFlags::default(), &lab).unwrap();
        assert_eq!(needs(&ci), (1 << 30) + TARGET_NEEDS);
        assert!(needs(&all) > 4 * TARGET_NEEDS + IMAGES_NEED);
        let only = |part: Part| needs(&Selection { parts: [part].into(), ..ci.clone() });
        assert_eq!(only(Part::Reports), 1 << 30);
    }
}
