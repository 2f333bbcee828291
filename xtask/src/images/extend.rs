//! An image that stands on a locked one: its layers as they are, and one more with files that this repository makes.
//!
//! It has no lock, since its digest changes with every line of source. It is as reproducible as what it is made of.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::config::{self, Start};
use super::definition::Definition;
use super::ensure::ensure_definition;
use super::layer::{self, Layer};
use super::tree::{Entry, Node, Tree};
use super::unpack::set_modified;
use super::{Options, Workshop, disk, select};
use crate::image::Image;

/// What is made of which image.
pub(crate) struct Extension {
    /// The name of the new image.
    pub(crate) name: String,
    /// The name of the one that it stands on.
    pub(crate) base: String,
    /// What made the layer, one line.
    pub(crate) made_by: String,
    /// Files of the layer by path, without a leading slash.
    pub(crate) files: BTreeMap<String, Addition>,
    /// How containers of it start.
    pub(crate) start: Start,
}

/// A file of the layer.
pub(crate) struct Addition {
    /// All of it.
    pub(crate) content: Vec<u8>,
    /// Whether it is a program.
    pub(crate) executable: bool,
}

/// Makes the image, which is the same one again for the same files.
///
/// # Errors
/// A file that the image below has already, or that would lie behind one of its links.
pub(crate) fn extend(options: &Options, extension: &Extension) -> Result<Image> {
    let workshop = Workshop::open(options)?;
    let definitions = select(options, std::slice::from_ref(&extension.base))?;
    let definition = definitions.first().context("a name selects one definition")?;
    let base = ensure_definition(&workshop, definition)?;
    let (mut layers, _) = workshop.store.description(&base.digest)?;

    let guard = workshop.lock()?;
    let unfinished = workshop.store.begin(&guard)?;
    let rootfs = unfinished.rootfs();
    let explain = |error| disk::explain(error, &unfinished.images(), 0);
    for layer in &layers {
        copy(&layer.tree, &base.rootfs, &rootfs).map_err(explain)?;
    }
    let added = add(&extension.files, &layers, &rootfs)
        .with_context(|| format!("image {} on {}", extension.name, extension.base))?;
    for tree in std::iter::once(&added).chain(layers.iter().map(|layer| &layer.tree)) {
        seal(tree, &rootfs)?;
    }
    layers.push(layer::measure(&rootfs, added, extension.made_by.clone())?);
    let config = config::render(&named(definition, extension), &layers, Some(&extension.start))?;
    let digest = config::digest_of(&config);
    let rootfs = workshop.store.publish(unfinished, &digest, &layers, &config)?;
    Ok(Image { name: extension.name.clone(), digest, rootfs, ..base })
}

fn named(definition: &Definition, extension: &Extension) -> Definition {
    Definition { name: extension.name.clone(), ..definition.clone() }
}

/// Writes everything in `tree` once more. Folders get their modes later.
fn copy(tree: &Tree, from: &Path, to: &Path) -> std::io::Result<()> {
    for (path, entry) in &tree.entries {
        let (source, target) = (from.join(path), to.join(path));
        match &entry.node {
            Node::Folder => fs::create_dir(&target)?,
            Node::Link { target: points_to } => symlink(points_to, &target)?,
            Node::File { .. } => {
                fs::copy(&source, &target)?;
                fs::set_permissions(&target, Permissions::from_mode(entry.mode))?;
            }
        }
    }
    Ok(())
}

/// Writes the files, and gives account of them and of the folders that had to be made for them.
fn add(files: &BTreeMap<String, Addition>, below: &[Layer], rootfs: &Path) -> Result<Tree> {
    let present = |path: &str| below.iter().find_map(|layer| layer.tree.get(path));
    let mut added = Tree::default();
    for (number, (path, file)) in (1..).zip(files) {
        for layer in below {
            let place = layer.tree.resolve(path)?;
            ensure!(place == *path, "{path} leads through a link; name it {place}");
        }
        for (end, _) in path.match_indices('/') {
            let folder = &path[..end];
            match present(folder).or_else(|| added.get(folder)).map(|entry| &entry.node) {
                Some(Node::Folder) => {}
                Some(_) => bail!("{path} lies in {folder}, which is no folder"),
                None => {
                    fs::create_dir(rootfs.join(folder))?;
                    let entry = Entry { node: Node::Folder, mode: 0o755, build_only: false };
                    added.insert(folder.to_owned(), entry);
                }
            }
        }
        ensure!(present(path).is_none(), "{path} is in the image already");
        let target = rootfs.join(path);
        fs::write(&target, &file.content).with_context(|| format!("cannot write {}", target.display()))?;
        let mode = if file.executable { 0o755 } else { 0o644 };
        fs::set_permissions(&target, Permissions::from_mode(mode))?;
        let node = Node::File { size: file.content.len() as u64, content: number };
        added.insert(path.clone(), Entry { node, mode, build_only: false });
    }
    Ok(added)
}

/// Sets the times of everything and the modes of folders, which had to stay writable until now.
fn seal(tree: &Tree, rootfs: &Path) -> Result<()> {
    for (path, entry) in tree.entries.iter().rev() {
        let path = rootfs.join(path);
        set_modified(&path)?;
        if entry.node == Node::Folder {
            fs::set_permissions(&path, Permissions::from_mode(entry.mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(entries: &[(&str, Node)]) -> Vec<Layer> {
        let mut tree = Tree::default();
        for (path, node) in entries {
            tree.insert((*path).to_owned(), Entry { node: node.clone(), mode: 0o755, build_only: false });
        }
        vec![Layer { diff_id: String::new(), size: 0, made_by: String::new(), tree }]
    }

    fn add_one(path: &str, below: &[Layer]) -> Result<Vec<String>> {
        let rootfs = tempfile::tempdir()?;
        for layer in below {
            copy(&layer.tree, rootfs.path(), rootfs.path())?;
        }
        let file = Addition { content: b"text".to_vec(), executable: false };
        let tree = add(&[(path.to_owned(), file)].into(), below, rootfs.path())?;
        seal(&tree, rootfs.path())?;
        assert_eq!(fs::read(rootfs.path().join(path))?, b"text");
        Ok(tree.entries.into_keys().collect())
    }

    #[test]
    fn only_what_is_new_is_in_the_layer() {
        let usr = [("usr", Node::Folder), ("lib", Node::Link { target: "usr/lib".to_owned() })];
        let paths = add_one("usr/share/a/b.html", &below(&usr)).unwrap();
        assert_eq!(paths, ["usr/share", "usr/share/a", "usr/share/a/b.html"]);
        assert_eq!(add_one("usr/b", &below(&usr)).unwrap(), ["usr/b"]);
    }

    #[test]
    fn nothing_is_replaced_and_links_are_not_written_through() {
        let usr = [("usr", Node::Folder), ("lib", Node::Link { target: "usr".to_owned() })];
        for (path, part) in [("usr", "already"), ("lib/a", "name it usr/a"), ("lib", "already")] {
            let error = format!("{:#}", add_one(path, &below(&usr)).unwrap_err());
            assert!(error.contains(part), "{path}: {error}");
        }
    }
}
