//! Images as their locks say: at once when they are unpacked, else fetched and assembled.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::assemble::{Assembled, assemble};
use super::blobs::Fetched;
use super::definition::Definition;
use super::digest;
use super::lock::{Lock, LockedPackage, difference};
use super::signature::Unsigned;
use super::store::Guard;
use super::{Options, Workshop, renew, select, wheels};
use crate::cache_use::mark_used;
use crate::engine::{self, Engine};
use crate::image::Image;

/// The image that holds the static emulator, and where it lies in there.
const EMULATOR_IMAGE: &str = "emulator";
const EMULATOR: &str = "usr/bin/qemu-aarch64-static";

/// The image called `name`, ready for use.
///
/// When a locked package is nowhere to be had any more, the image is made of what the archive has now, and is marked as
/// not pinned; with [`Options::locked`] that is an error.
pub(crate) fn ensure(options: &Options, name: &str) -> Result<Image> {
    let definitions = select(options, &[name.to_owned()])?;
    let definition = definitions.first().context("a name selects one definition")?;
    ensure_definition(&Workshop::open(options)?, definition)
}

/// Makes the named images, or all.
pub(crate) fn build(options: &Options, names: &[String]) -> Result<Vec<Image>> {
    let workshop = Workshop::open(options)?;
    select(options, names)?.iter().map(|definition| ensure_definition(&workshop, definition)).collect()
}

pub(super) fn ensure_definition(workshop: &Workshop<'_>, definition: &Definition) -> Result<Image> {
    let lock = Lock::read(definition)?;
    if let Some(image) = ready(workshop, definition, &lock)? {
        return Ok(image);
    }
    let engine = engine_for(workshop, definition)?;
    let guard = workshop.lock()?;
    // Another process may have made it while this one waited.
    if let Some(image) = ready(workshop, definition, &lock)? {
        return Ok(image);
    }
    match fetch(workshop, definition, &lock.package)? {
        Fetched::All => {
            let assembled = make(workshop, definition, &lock.package, &guard, engine.as_ref())?;
            if assembled.digest != lock.image {
                bail!(
                    "image {} came out as {}, its lock says {}; find the difference with `cargo xtask images verify {2}`, or renew the lock with `cargo xtask images lock {2}`",
                    assembled.digest,
                    lock.image,
                    definition.name
                );
            }
            publish(workshop, definition, assembled, true)
        }
        Fetched::Gone(gone) => unpinned(workshop, definition, &lock, &gone, &guard, engine.as_ref()),
    }
}

/// Fetches every file that the named images, or all, are made of.
///
/// # Errors
/// A locked package is nowhere to be had.
pub(crate) fn fetch_all(options: &Options, names: &[String]) -> Result<()> {
    let workshop = Workshop::open(options)?;
    for definition in select(options, names)? {
        if let Fetched::Gone(gone) = fetch(&workshop, &definition, &Lock::read(&definition)?.package)? {
            return Err(cannot_verify(&definition, &gone));
        }
    }
    Ok(())
}

/// The error of an image that cannot be made as its lock says.
pub(super) fn cannot_verify(definition: &Definition, gone: &[LockedPackage]) -> anyhow::Error {
    let gone: Vec<_> = gone.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    anyhow::anyhow!(
        "image {} cannot be verified: {} left the mirror; give --snapshot-mirror URL, or run `cargo xtask images lock {0}`",
        definition.name,
        gone.join(", ")
    )
}

/// The names of images that the cache does not have as their locks say.
pub(crate) fn unready(options: &Options) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for definition in select(options, &[])? {
        let digest = Lock::read(&definition)?.image;
        // Looked up by hand, as opening a store would make its folder.
        if !options.cache.join("images").join(digest.trim_start_matches("sha256:")).join("rootfs").is_dir() {
            missing.push(definition.name);
        }
    }
    Ok(missing)
}

/// The image if it is unpacked, as the lock says or as an earlier run without the locked packages had to make it.
fn ready(workshop: &Workshop<'_>, definition: &Definition, lock: &Lock) -> Result<Option<Image>> {
    if let Some(rootfs) = workshop.store.rootfs(&lock.image) {
        mark_used(&workshop.store.image(&lock.image));
        return Ok(Some(image(definition, lock.image.clone(), rootfs, true)));
    }
    if workshop.options.locked || workshop.options.snapshot_mirror.is_some() {
        return Ok(None);
    }
    let Ok(text) = fs::read_to_string(substitute_path(workshop.options, definition, lock)?) else {
        return Ok(None);
    };
    let substitute = Lock::parse(&text)?;
    let Some(rootfs) = workshop.store.rootfs(&substitute.image) else { return Ok(None) };
    mark_used(&workshop.store.image(&substitute.image));
    warn_unpinned(definition, &difference(&lock.package, &substitute.package));
    Ok(Some(image(definition, substitute.image, rootfs, false)))
}

fn unpinned(
    workshop: &Workshop<'_>,
    definition: &Definition,
    lock: &Lock,
    gone: &[LockedPackage],
    guard: &Guard,
    engine: &dyn Engine,
) -> Result<Image> {
    let fresh = renew::resolve_now(workshop, definition, Unsigned::Taken)?;
    let changes = difference(&lock.package, &fresh);
    if workshop.options.locked {
        let gone: Vec<_> =
            gone.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        bail!(
            "image {}: {} left the mirror, and --locked allows no others; run `cargo xtask images lock {}`, or give --snapshot-mirror URL. The archive has now:\n  {}",
            definition.name,
            gone.join(", "),
            definition.name,
            changes.join("\n  ")
        );
    }
    warn_unpinned(definition, &changes);
    if let Fetched::Gone(gone) = fetch(workshop, definition, &fresh)? {
        bail!(
            "image {}: {} is in the archive's index and not on the mirror, which is being updated; try again later or use another --mirror",
            definition.name,
            gone[0].path
        );
    }
    let assembled = make(workshop, definition, &fresh, guard, engine)?;
    let substitute = Lock { image: assembled.digest.clone(), package: fresh, ..lock.clone() };
    let image = publish(workshop, definition, assembled, false)?;
    let path = substitute_path(workshop.options, definition, lock)?;
    fs::create_dir_all(path.parent().context("a file in a folder")?)?;
    substitute.write(&path)?;
    Ok(image)
}

pub(super) fn fetch(
    workshop: &Workshop<'_>,
    definition: &Definition,
    packages: &[LockedPackage],
) -> Result<Fetched> {
    if !workshop.blobs.missing(packages).is_empty() {
        let sources = workshop.sources()?;
        if let Fetched::Gone(gone) = workshop.blobs.fetch(&sources, &definition.name, packages)? {
            return Ok(Fetched::Gone(gone));
        }
    }
    wheels::fetch(&workshop.blobs, definition)?;
    Ok(Fetched::All)
}

pub(super) fn make(
    workshop: &Workshop<'_>,
    definition: &Definition,
    packages: &[LockedPackage],
    guard: &Guard,
    engine: &dyn Engine,
) -> Result<Assembled> {
    assemble(&workshop.blobs, definition, packages, engine, workshop.store.begin(guard)?)
}

/// What runs the steps of `definition`. Asked for before the store is locked, as the emulator is an image of that store.
pub(super) fn engine_for(workshop: &Workshop<'_>, definition: &Definition) -> Result<Box<dyn Engine>> {
    let is_emulated = !definition.steps.is_empty() && !engine::is_native(definition.arch);
    let emulator = if is_emulated { Some(emulator(workshop.options)?) } else { None };
    engine::select(workshop.options.engine, emulator.as_deref())
}

/// The pinned static qemu-aarch64, fetched if the cache does not have it.
pub(crate) fn emulator(options: &Options) -> Result<PathBuf> {
    let rootfs = ensure(options, EMULATOR_IMAGE)?.rootfs;
    // In a sandbox a link to an image that caches share would lead to a place in the sandbox's own root.
    let rootfs = rootfs.canonicalize().with_context(|| format!("cannot look at {}", rootfs.display()))?;
    Ok(rootfs.join(EMULATOR))
}

pub(super) fn publish(
    workshop: &Workshop<'_>,
    definition: &Definition,
    assembled: Assembled,
    pinned: bool,
) -> Result<Image> {
    let Assembled { unfinished, layers, config, digest } = assembled;
    let rootfs = workshop.store.publish(unfinished, &digest, &layers, &config)?;
    Ok(image(definition, digest, rootfs, pinned))
}

fn image(definition: &Definition, digest: String, rootfs: PathBuf, pinned: bool) -> Image {
    Image {
        name: definition.name.clone(),
        arch: definition.arch,
        libc: definition.libc,
        digest,
        rootfs,
        pinned,
    }
}

/// Where a run that could not have the locked packages notes what it took instead, so that the next run need not look.
pub(super) fn substitute_path(options: &Options, definition: &Definition, lock: &Lock) -> Result<PathBuf> {
    let key = digest::of_bytes(lock.render()?.as_bytes());
    Ok(options.cache.join("unpinned").join(format!("{}-{key}.lock", definition.name)))
}

fn warn_unpinned(definition: &Definition, changes: &[String]) {
    eprintln!(
        "WARNING: image {} is NOT PINNED: locked packages have left the mirror, and what the archive has now stands in for them in this run. Renew the lock with `cargo xtask images lock {}`, or give --snapshot-mirror URL. The difference:",
        definition.name, definition.name
    );
    for line in changes {
        eprintln!("  {line}");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::engine::EngineChoice;

    #[test]
    fn the_emulator_is_named_by_its_physical_path_in_a_cache_of_links() {
        let folder = tempfile::tempdir().unwrap();
        let physical = folder.path().canonicalize().unwrap().join("image");
        let options = Options {
            repository: crate::paths::repository().unwrap(),
            cache: folder.path().join("cache"),
            mirror: None,
            snapshot_mirror: None,
            keyring: PathBuf::new(),
            engine: EngineChoice::default(),
            locked: true,
        };
        let names = [EMULATOR_IMAGE.to_owned()];
        let digest = super::super::locked(&options, &names).unwrap().remove(EMULATOR_IMAGE).unwrap();
        let images = options.cache.join("images");
        fs::create_dir_all(physical.join("rootfs")).unwrap();
        fs::create_dir_all(&images).unwrap();
        symlink(&physical, images.join(digest.trim_start_matches("sha256:"))).unwrap();
        assert_eq!(emulator(&options).unwrap(), physical.join("rootfs").join(EMULATOR));
    }
}
