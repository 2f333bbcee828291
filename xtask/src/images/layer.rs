//! Layers of a docker image: tar archives whose bytes follow from the files and their account alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::digest::HashingWriter;
use super::tree::{Node, Tree};
use super::unpack::MODIFIED;

/// One layer, kept beside the unpacked image so that the archive can be written again from the unpacked files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layer {
    /// SHA-256 of the uncompressed tar, in hex.
    pub(super) diff_id: String,
    /// Its length in bytes.
    pub(super) size: u64,
    /// What made it, one line.
    pub(super) made_by: String,
    pub(super) tree: Tree,
}

/// Measures the layer that `tree` gives with the files below `root`.
pub(super) fn measure(root: &Path, tree: Tree, made_by: String) -> Result<Layer> {
    let mut writer = HashingWriter::new(io::BufWriter::with_capacity(1 << 17, io::sink()));
    write_tar(root, &tree, &mut writer)?;
    let (size, diff_id) = writer.finish();
    Ok(Layer { diff_id, size, made_by, tree })
}

/// Writes the tar of `tree`: sorted paths, owner 0:0, one fixed time, the first path of hard links holds the content.
pub(super) fn write_tar(root: &Path, tree: &Tree, into: &mut dyn Write) -> Result<()> {
    let mut archive = tar::Builder::new(into);
    let mut first_path: HashMap<u64, &str> = HashMap::new();
    for (path, entry) in &tree.entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(MODIFIED);
        header.set_size(0);
        match &entry.node {
            Node::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Node::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                append_link(&mut archive, &mut header, path, target)?;
            }
            Node::File { size, content } => match first_path.get(content) {
                Some(first) => {
                    header.set_entry_type(tar::EntryType::Link);
                    append_link(&mut archive, &mut header, path, first)?;
                }
                None => {
                    first_path.insert(*content, path);
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_size(*size);
                    let file = root.join(path);
                    let mut content =
                        File::open(&file).with_context(|| format!("cannot read {}", file.display()))?;
                    archive.append_data(&mut header, path, &mut content)?;
                }
            },
        }
    }
    archive.finish()?;
    Ok(())
}

/// Unlike `Builder::append_link` this keeps the target's bytes as they are; a relative link must not be tidied up.
fn append_link(
    archive: &mut tar::Builder<&mut dyn Write>,
    header: &mut tar::Header,
    path: &str,
    target: &str,
) -> Result<()> {
    if header.set_link_name_literal(target).is_err() {
        archive.append_link(header, path, target)?;
        return Ok(());
    }
    archive.append_data(header, path, io::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tree::Entry;

    fn file(content: u64, size: u64) -> Entry {
        Entry { node: Node::File { size, content }, mode: 0o644, build_only: false }
    }

    #[test]
    fn a_layer_keeps_kinds_long_names_and_hard_links() {
        let root = tempfile::tempdir().unwrap();
        let long = format!("{}/file", "long".repeat(40));
        std::fs::create_dir(root.path().join("long".repeat(40))).unwrap();
        for name in ["a", "b", &long] {
            std::fs::write(root.path().join(name), "text").unwrap();
        }
        let mut tree = Tree::default();
        let folder = Entry { node: Node::Folder, mode: 0o1777, build_only: false };
        tree.insert("long".repeat(40), folder);
        tree.insert(long.clone(), file(2, 4));
        tree.insert("a".into(), file(1, 4));
        tree.insert("b".into(), file(1, 4));
        let node = Node::Link { target: format!("../{}", "deep/".repeat(40)) };
        tree.insert("link".into(), Entry { node, mode: 0o777, build_only: false });

        let mut bytes = Vec::new();
        write_tar(root.path(), &tree, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, MODIFIED));
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let target = entry.link_name_bytes().map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
            seen.push((path, header.entry_type(), target.unwrap_or_default()));
        }
        let expected = [
            ("a".to_owned(), tar::EntryType::Regular, String::new()),
            ("b".to_owned(), tar::EntryType::Link, "a".to_owned()),
            ("link".to_owned(), tar::EntryType::Symlink, format!("../{}", "deep/".repeat(40))),
            (format!("{}/", "long".repeat(40)), tar::EntryType::Directory, String::new()),
            (long, tar::EntryType::Regular, String::new()),
        ];
        assert_eq!(seen, expected);

        let layer = measure(root.path(), tree, "test".into()).unwrap();
        assert_eq!(layer.size, bytes.len() as u64);
        assert_eq!(layer.diff_id, crate::images::digest::of_bytes(&bytes));
    }
}
