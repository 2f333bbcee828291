//! What two builds take on disks, and where there is that much.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::circumstances::FileSystem;
use super::parts::{Part, Selection};
use crate::paths;

/// Memory that folders can be made in, on most machines.
const MEMORY: &str = "/dev/shm";
/// What a build of one target takes with everything that is made of it, in bytes and generously; what all images take that are made
/// anew, and of them those with modules of others and those that are used when something is compiled; and what everything else does.
const TARGET_NEEDS: u64 = 5 << 28;
const IMAGES_NEED: u64 = 9 << 30;
const GALLERIES_NEED: u64 = 4 << 30;
const USED_IMAGES_NEED: u64 = 9 << 29;
const REST_NEEDS: u64 = 1 << 30;

/// How many bytes a build takes, at most. One that is kept keeps all of its images.
pub(super) fn needs(selection: &Selection, keep: bool) -> u64 {
    let is_of_all_images = selection.parts.contains(&Part::Images) && selection.images.is_empty();
    let (made, used) = match (is_of_all_images, selection.galleries.is_empty()) {
        (true, _) => (IMAGES_NEED, USED_IMAGES_NEED),
        (false, false) => (GALLERIES_NEED, 0),
        (false, true) => (0, 0),
    };
    let left = if keep { made } else { used };
    let targets = if selection.compiles() { selection.targets.len() as u64 * TARGET_NEEDS } else { 0 };
    REST_NEEDS + made.max(left + targets)
}

/// Where builds lie unless somebody says: in memory where there is plenty, since that is another file system than that of the repository;
/// else where temporary files do.
pub(super) fn roomiest(repository: &Path, needs: u64) -> PathBuf {
    let memory = Path::new(MEMORY);
    let is_roomy = || -> Result<bool> {
        let (there, here) = (FileSystem::of(memory)?, FileSystem::of(repository)?);
        // Half of what is free stays free.
        let free = free(memory)?.min(available_memory()?) / 2;
        Ok(there.executes && there.kind != here.kind && free >= needs)
    };
    if is_roomy().unwrap_or(false) { memory.to_owned() } else { env::temp_dir() }
}

/// Whether there is room for a build of so many bytes in each of `places`, which may be on one disk.
///
/// # Errors
/// There is not, with what is free and what is needed.
pub(super) fn check(places: &[&Path], needs: u64) -> Result<()> {
    let mut disks = BTreeMap::new();
    for &place in places {
        let metadata = fs::metadata(place).with_context(|| format!("cannot look at {}", place.display()))?;
        disks.entry(metadata.dev()).or_insert((place, 0)).1 += needs;
    }
    for (place, needed) in disks.into_values() {
        let free = free(place)?;
        if free < needed {
            bail!(
                "{} has {} free, and what is built there takes up to {}; make room, build less (--part, --target, --once), or name a folder on a larger disk with --scratch",
                place.display(),
                gigabytes(free),
                gigabytes(needed)
            );
        }
    }
    Ok(())
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// In bytes, for whoever runs this.
fn free(folder: &Path) -> Result<u64> {
    paths::free_bytes(folder).with_context(|| format!("cannot ask what is free at {}", folder.display()))
}

/// In bytes. Source: proc_meminfo(5).
fn available_memory() -> Result<u64> {
    let table = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no MemAvailable")?;
    Ok(kib.trim().parse::<u64>()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::ReproFlags;
    use crate::lab::Lab;

    #[test]
    fn builds_lie_in_memory_only_where_there_is_plenty() {
        let repository = crate::paths::repository().unwrap();
        assert_eq!(roomiest(&repository, u64::MAX), env::temp_dir());
        assert!(available_memory().unwrap() > 1 << 20);
    }

    #[test]
    fn images_that_no_part_uses_any_more_are_not_counted_with_what_is_compiled() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let ci = Selection::for_ci(&lab);
        let (all, _) = Selection::of(&ReproFlags::default(), &lab).unwrap();
        let targets = lab.targets.len() as u64 * TARGET_NEEDS;
        assert_eq!(needs(&ci, false), REST_NEEDS + TARGET_NEEDS);
        assert_eq!(needs(&all, false), REST_NEEDS + IMAGES_NEED.max(USED_IMAGES_NEED + targets));
        assert_eq!(needs(&all, true), REST_NEEDS + IMAGES_NEED + targets);
        let only = |part: Part| {
            let flags = ReproFlags { parts: vec![part], ..ReproFlags::default() };
            needs(&Selection::of(&flags, &lab).unwrap().0, false)
        };
        assert_eq!(only(Part::Reports), REST_NEEDS);
        assert_eq!(only(Part::Images), REST_NEEDS + IMAGES_NEED);
        assert_eq!(only(Part::Inspect), REST_NEEDS + GALLERIES_NEED.max(targets));
    }

    #[test]
    fn a_disk_without_room_for_all_that_lies_on_it_is_refused_before_anything_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path(), folder.path());
        check(&[one, other], 1).unwrap();
        // Room for one build, and not for two.
        let needs = free(one).unwrap() / 4 * 3;
        check(&[one], needs / 2).unwrap();
        let error = check(&[one, other], needs).unwrap_err().to_string();
        let both = gigabytes(2 * needs);
        assert!(error.starts_with(&one.display().to_string()) && error.contains(&both), "{error}");
        assert!(error.contains("--scratch"), "{error}");
        let error = check(&[one.join("none").as_path()], 1).unwrap_err().to_string();
        assert!(error.starts_with("cannot look at "), "{error}");
    }
}
