//! `images verify`: makes an image once more from nothing but its locked files, and compares.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::assemble::Assembled;
use super::blobs::Fetched;
use super::definition::Definition;
use super::ensure::{engine_for, fetch, make};
use super::layer::Layer;
use super::lock::Lock;
use super::tree::{Entry, Node};
use super::{Options, Workshop, select};
use crate::error::Stop;

/// Makes the named images, or all, in fresh folders and compares their digests with the locks. All are tried; the
/// differences come at the end, as [`Stop::Disagreement`].
pub(crate) fn verify(options: &Options, names: &[String]) -> Result<()> {
    let workshop = Workshop::open(options)?;
    let mut differences = Vec::new();
    for definition in select(options, names)? {
        match difference(&workshop, &definition)? {
            None => println!("{}: same", definition.name),
            Some(difference) => {
                println!("{}: DIFFERENT", definition.name);
                differences.push(difference);
            }
        }
    }
    if !differences.is_empty() {
        return Err(Stop::Disagreement(differences.join("\n")).into());
    }
    Ok(())
}

/// What differs between the lock's image and one made now; nothing if nothing does.
fn difference(workshop: &Workshop<'_>, definition: &Definition) -> Result<Option<String>> {
    let lock = Lock::read(definition)?;
    let engine = engine_for(workshop, definition)?;
    let guard = workshop.lock()?;
    if let Fetched::Gone(gone) = fetch(workshop, definition, &lock.package)? {
        bail!(
            "image {} cannot be verified: {} {} has left the mirror; give --snapshot-mirror URL, or run `cargo xtask images lock {0}`",
            definition.name,
            gone[0].name,
            gone[0].version
        );
    }
    let made = make(workshop, definition, &lock.package, &guard, engine.as_ref())?;
    if made.digest == lock.image {
        return Ok(None);
    }
    let detail = match workshop.store.rootfs(&lock.image) {
        Some(rootfs) => {
            let (layers, _) = workshop.store.description(&lock.image)?;
            first_difference((&layers, &rootfs), (&made.layers, &made.unfinished.rootfs()))
                .unwrap_or_else(|| "only its configuration differs".to_owned())
        }
        None => "the image of the lock is not unpacked here, so the first difference is not known".to_owned(),
    };
    let Assembled { digest, .. } = made;
    Ok(Some(format!(
        "image {} came out as {digest}, its lock says {}: {detail}; if the definition is as it should be, run `cargo xtask images lock {}`",
        definition.name, lock.image, definition.name
    )))
}

/// The first path in which two images differ, and how.
fn first_difference(locked: (&[Layer], &Path), made: (&[Layer], &Path)) -> Option<String> {
    if locked.0.len() != made.0.len() {
        return Some(format!("it has {} layers, the locked one {}", made.0.len(), locked.0.len()));
    }
    for (old, new) in locked.0.iter().zip(made.0) {
        if old.diff_id == new.diff_id {
            continue;
        }
        let paths: BTreeSet<_> = old.tree.entries.keys().chain(new.tree.entries.keys()).collect();
        for path in paths {
            let difference = match (old.tree.get(path), new.tree.get(path)) {
                (Some(_), None) => Some("is missing".to_owned()),
                (None, Some(_)) => Some("is new".to_owned()),
                (Some(old), Some(new)) => entry_difference(old, new)
                    .or_else(|| content_difference(old, &locked.1.join(path), &made.1.join(path))),
                (None, None) => None,
            };
            if let Some(difference) = difference {
                return Some(format!("/{path} ({}) {difference}", new.made_by));
            }
        }
        return Some(format!("the layer of {} links its files in another way", new.made_by));
    }
    None
}

fn entry_difference(old: &Entry, new: &Entry) -> Option<String> {
    if old.mode != new.mode {
        return Some(format!("has mode {:o} and had {:o}", new.mode, old.mode));
    }
    match (&old.node, &new.node) {
        (Node::Folder, Node::Folder) => None,
        (Node::File { size: old, .. }, Node::File { size: new, .. }) => {
            (old != new).then(|| format!("has {new} bytes and had {old}"))
        }
        (Node::Link { target: old }, Node::Link { target: new }) => {
            (old != new).then(|| format!("points to {new} and did to {old}"))
        }
        _ => Some("is of another kind".to_owned()),
    }
}

fn content_difference(entry: &Entry, old: &Path, new: &Path) -> Option<String> {
    if !matches!(entry.node, Node::File { .. }) {
        return None;
    }
    match (fs::read(old), fs::read(new)) {
        (Ok(old), Ok(new)) if old == new => None,
        (Ok(old), Ok(new)) => {
            let at =
                old.iter().zip(&new).position(|(old, new)| old != new).unwrap_or(old.len().min(new.len()));
            Some(format!("has other content from byte {at} on"))
        }
        _ => Some("cannot be read".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::disk::Room;
    use crate::images::layer::measure;
    use crate::images::unpack::Unpacker;

    /// A layer of files given as path, mode and content.
    fn image(root: &Path, files: &[(&str, u32, &str)]) -> Layer {
        let mut unpacker = Unpacker::new(root, Room { folder: root.to_path_buf(), needed: 0 });
        for (path, mode, content) in files {
            unpacker.file(path, *mode, false, &mut content.as_bytes()).unwrap();
        }
        measure(root, unpacker.finish(&[]).unwrap(), "test".to_owned()).unwrap()
    }

    #[test]
    fn the_first_difference_names_path_and_kind() {
        type Files<'a> = &'a [(&'a str, u32, &'a str)];
        let cases: [(Files<'_>, Files<'_>, Option<&str>); 5] = [
            (&[("a/b", 0o644, "x")], &[("a/b", 0o644, "x")], None),
            (&[("a/b", 0o644, "x")], &[("a/b", 0o755, "x")], Some("/a/b (test) has mode 755 and had 644")),
            (
                &[("a/b", 0o644, "xy")],
                &[("a/b", 0o644, "xz")],
                Some("/a/b (test) has other content from byte 1 on"),
            ),
            (&[("a/b", 0o644, "x")], &[("a/c", 0o644, "x")], Some("/a/b (test) is missing")),
            (&[("a/b", 0o644, "x")], &[("a/b", 0o644, "xx")], Some("/a/b (test) has 2 bytes and had 1")),
        ];
        for (old, new, expected) in cases {
            let (old_root, new_root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (old, new) = ([image(old_root.path(), old)], [image(new_root.path(), new)]);
            let got = first_difference((&old, old_root.path()), (&new, new_root.path()));
            assert_eq!(got.as_deref(), expected);
        }
    }
}
