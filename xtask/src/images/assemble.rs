//! From packages that lie in the store of blobs to an unpacked image with its layers, configuration and digest.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::blobs::Blobs;
use super::config;
use super::definition::{Definition, debian_arch};
use super::digest;
use super::disk::Room;
use super::layer::{self, Layer};
use super::lock::LockedPackage;
use super::steps;
use super::store::Unfinished;
use super::unpack::{Rules, Unpacker};
use super::wheels;
use crate::engine::Engine;

/// About how many times its size a package needs when it is unpacked; only to tell how much room there should be.
const UNPACKED_PER_PACKED: u64 = 5;

/// An image that is complete and not yet in its place.
pub(super) struct Assembled {
    pub(super) unfinished: Unfinished,
    pub(super) layers: Vec<Layer>,
    pub(super) config: Vec<u8>,
    pub(super) digest: String,
}

/// Unpacks everything that `definition` and the locked packages say into the empty root of `unfinished`.
pub(super) fn assemble(
    blobs: &Blobs,
    definition: &Definition,
    packages: &[LockedPackage],
    engine: &dyn Engine,
    unfinished: Unfinished,
) -> Result<Assembled> {
    let rootfs = unfinished.rootfs();
    let packed: u64 = packages.iter().map(|package| package.size).sum();
    let room = Room { folder: unfinished.images(), needed: packed * UNPACKED_PER_PACKED };
    let mut unpacker = Unpacker::new(&rootfs, room);
    own_folders_and_links(&mut unpacker, definition)?;
    let rules = Rules { only: &definition.only, drop: &definition.drop, keep: &definition.keep };
    for package in packages {
        let blob = checked_blob(blobs, &package.sha256, &package.name)?;
        unpacker.package(&blob, &rules, package.build_only).with_context(|| {
            format!("image {}: package {} {}", definition.name, package.name, package.version)
        })?;
    }
    for wheel in &definition.wheels {
        let blob = checked_blob(blobs, &wheel.sha256, &wheel.name)?;
        wheels::unpack(&mut unpacker, &blob, wheel, &rules)
            .with_context(|| format!("image {}: wheel {} {}", definition.name, wheel.name, wheel.version))?;
    }
    own_files(&mut unpacker, definition)?;
    let added = steps::run(definition, engine, &unfinished, &mut unpacker)?;
    unpacker.drop_build_only()?;
    let base = unpacker.finish(&added)?;
    let made_by = format!("packages of {} {}", definition.suite, debian_arch(definition.arch));
    let mut layers = vec![layer::measure(&rootfs, base, made_by)?];
    for (tree, step) in added.into_iter().zip(&definition.steps) {
        layers.push(layer::measure(&rootfs, tree, format!("step {}", step.script))?);
    }
    let config = config::render(definition, &layers, None)?;
    let digest = config::digest_of(&config);
    Ok(Assembled { unfinished, layers, config, digest })
}

/// Folders and links come first, so that packages find a merged /usr.
fn own_folders_and_links(unpacker: &mut Unpacker, definition: &Definition) -> Result<()> {
    for (path, target) in &definition.links {
        unpacker.link(path, target, false)?;
    }
    for path in &definition.folders {
        let mode = if path == "tmp" || path == "var/tmp" { 0o1777 } else { 0o755 };
        unpacker.folder(path, mode, false)?;
    }
    Ok(())
}

fn own_files(unpacker: &mut Unpacker, definition: &Definition) -> Result<()> {
    for (path, file) in &definition.files {
        let mode = if file.executable { 0o755 } else { 0o644 };
        let content = match (&file.text, &file.from) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(name)) => {
                let source = definition.folder.join(name);
                fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?
            }
            (None, None) => Vec::new(),
        };
        unpacker.file(path, mode, false, &mut content.as_slice())?;
    }
    Ok(())
}

/// The blob with that sum, checked again, since a disk may have damaged it after it was stored.
fn checked_blob(blobs: &Blobs, sha256: &str, name: &str) -> Result<PathBuf> {
    let path = blobs.get(sha256).with_context(|| format!("{name} is not in the cache"))?;
    let (_, got) = digest::of_file(&path)?;
    if got != sha256 {
        fs::remove_file(&path)?;
        bail!(
            "{} of {name} was damaged (it had SHA-256 {got}) and has been removed; run the command again",
            path.display()
        );
    }
    Ok(path)
}
