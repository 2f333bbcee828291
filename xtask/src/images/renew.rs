//! `images lock`: asks the archive what there is now, makes the image of it, and writes down both.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use super::archive_index;
use super::blobs::Fetched;
use super::definition::{Definition, debian_arch};
use super::ensure::{engine_for, fetch, make, publish};
use super::lock::{Lock, LockedPackage, difference};
use super::packages::Index;
use super::resolve::{Indexes, resolve};
use super::signature::Unsigned;
use super::{Options, Workshop, select};

/// Renews the locks of the named images, or of all, and prints what changed. With `keep_packages` the locked packages
/// stay and only the digest is found anew, for changes of files, steps and patterns.
pub(crate) fn renew(
    options: &Options,
    names: &[String],
    keep_packages: bool,
    unsigned: Unsigned,
) -> Result<()> {
    let workshop = Workshop::open(options)?;
    for definition in select(options, names)? {
        renew_one(&workshop, &definition, keep_packages, unsigned)?;
    }
    Ok(())
}

/// Renews one lock.
pub(super) fn renew_one(
    workshop: &Workshop<'_>,
    definition: &Definition,
    keep_packages: bool,
    unsigned: Unsigned,
) -> Result<()> {
    let text = std::fs::read_to_string(definition.lock_path()).ok();
    let old = text.and_then(|text| Lock::parse(&text).ok());
    let packages = match (&old, keep_packages) {
        (Some(old), true) => kept(definition, old)?,
        (None, true) => bail!("image {} has no lock whose packages could be kept", definition.name),
        (_, false) => resolve_now(workshop, definition, unsigned)?,
    };
    let new = lock_of(workshop, definition, packages)?;
    print_difference(definition, old.as_ref(), &new);
    new.write(&definition.lock_path())?;
    Ok(())
}

/// What the archive has now for `definition`.
pub(super) fn resolve_now(
    workshop: &Workshop<'_>,
    definition: &Definition,
    unsigned: Unsigned,
) -> Result<Vec<LockedPackage>> {
    let sources = workshop.sources()?;
    let mirror = sources.mirrors.first().context("there is a mirror")?;
    let texts =
        archive_index::download(&sources.client, mirror, &workshop.options.keyring, definition, unsigned)
            .with_context(|| format!("image {} cannot be resolved", definition.name))?;
    let mut by_arch = BTreeMap::new();
    for (arch, text) in &texts {
        by_arch.insert(arch.as_str(), Index::parse(text)?);
    }
    let indexes = Indexes { native: debian_arch(definition.arch), by_arch };
    let resolve = |roots: &[String]| {
        resolve(&indexes, roots, &definition.without).with_context(|| format!("image {}", definition.name))
    };
    let in_image: BTreeSet<_> = resolve(&definition.packages)?.into_keys().collect();
    let roots = [definition.packages.as_slice(), &definition.build_only].concat();
    let all = resolve(&roots)?;
    let locked = all.into_iter().map(|(key, package)| LockedPackage {
        name: package.name.to_owned(),
        arch: package.arch.to_owned(),
        version: package.version.to_owned(),
        path: package.path.to_owned(),
        size: package.size,
        sha256: package.sha256.to_owned(),
        build_only: !in_image.contains(&key),
    });
    Ok(locked.collect())
}

fn kept(definition: &Definition, old: &Lock) -> Result<Vec<LockedPackage>> {
    if old.packages != definition.packages_checksum()? {
        bail!(
            "the packages of image {} cannot be kept, since its definition names others now; run `cargo xtask images lock {}` without --keep-packages",
            definition.name,
            definition.name
        );
    }
    Ok(old.package.clone())
}

fn lock_of(workshop: &Workshop<'_>, definition: &Definition, package: Vec<LockedPackage>) -> Result<Lock> {
    let engine = engine_for(workshop, definition)?;
    let guard = workshop.lock()?;
    if let Fetched::Gone(gone) = fetch(workshop, definition, &package)? {
        bail!("image {}: {} is not on the mirror", definition.name, gone[0].path);
    }
    let assembled = make(workshop, definition, &package, &guard, engine.as_ref())?;
    let image = publish(workshop, definition, assembled, true)?;
    Ok(Lock {
        definition: definition.checksum()?,
        packages: definition.packages_checksum()?,
        image: image.digest,
        package,
    })
}

fn print_difference(definition: &Definition, old: Option<&Lock>, new: &Lock) {
    let Some(old) = old else {
        println!("{}: {} packages, image {}", definition.name, new.package.len(), new.image);
        return;
    };
    if old == new {
        println!("{}: unchanged", definition.name);
        return;
    }
    println!("{}: image {} -> {}", definition.name, old.image, new.image);
    for line in difference(&old.package, &new.package) {
        println!("  {line}");
    }
}
