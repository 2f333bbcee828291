//! `images verify`: makes an image once more from nothing but its locked files, and compares.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::assemble::Assembled;
use super::blobs::Fetched;
use super::definition::Definition;
use super::ensure::{cannot_verify, engine_for, fetch, make, publish};
use super::layer::Layer;
use super::lock::Lock;
use super::store::Store;
use super::tree::{Entry, Node};
use super::{Options, Workshop, select};
use crate::difference::{self, Clues};
use crate::error::Stop;

/// Makes the named images, or all, in fresh folders and compares their digests with the locks. All are tried; the
/// differences come at the end, as [`Stop::Disagreement`]. `beside` is a cache that may have the locks' images where that of
/// `options` does not; an image that comes out right is kept there if it was missing.
pub(crate) fn verify(options: &Options, names: &[String], beside: Option<&Path>) -> Result<()> {
    let workshop = Workshop::open(options)?;
    let mut differences = Vec::new();
    for definition in select(options, names)? {
        match difference(&workshop, &definition, beside)? {
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
fn difference(
    workshop: &Workshop<'_>,
    definition: &Definition,
    beside: Option<&Path>,
) -> Result<Option<String>> {
    let lock = Lock::read(definition)?;
    let engine = engine_for(workshop, definition)?;
    let guard = workshop.lock()?;
    if let Fetched::Gone(gone) = fetch(workshop, definition, &lock.package)? {
        return Err(cannot_verify(definition, &gone));
    }
    let made = make(workshop, definition, &lock.package, &guard, engine.as_ref())?;
    if made.digest == lock.image {
        publish(workshop, definition, made, true)?;
        return Ok(None);
    }
    let other = beside.map(Store::open).transpose()?;
    let has_it = |store: &&Store| store.rootfs(&lock.image).is_some();
    let detail = match [Some(&workshop.store), other.as_ref()].into_iter().flatten().find(has_it) {
        Some(store) => {
            let rootfs = store.image(&lock.image).join("rootfs");
            let (layers, _) = store.description(&lock.image)?;
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
        // What is in them tells more than how large they are.
        (Node::File { .. }, Node::File { .. }) => None,
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
    let (Ok(old), Ok(new)) = (fs::read(old), fs::read(new)) else { return Some("cannot be read".to_owned()) };
    let found = difference::find(&old, &new, &Clues::default())?;
    let cause = found.cause.map_or_else(String::new, |cause| format!(", which is likely {cause}"));
    Some(format!("has at {} {} and had {}{cause}", found.place.join(", "), found.second, found.first))
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
                Some("/a/b (test) has at line 1 \"xz\" and had \"xy\""),
            ),
            (&[("a/b", 0o644, "x")], &[("a/c", 0o644, "x")], Some("/a/b (test) is missing")),
            (
                &[("a/b", 0o644, "x")],
                &[("a/b", 0o644, "xx")],
                Some("/a/b (test) has at line 1 \"xx\" and had \"x\""),
            ),
        ];
        for (old, new, expected) in cases {
            let (old_root, new_root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (old, new) = ([image(old_root.path(), old)], [image(new_root.path(), new)]);
            let got = first_difference((&old, old_root.path()), (&new, new_root.path()));
            assert_eq!(got.as_deref(), expected);
        }
    }
}
