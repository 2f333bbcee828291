//! The files of an image as metadata: what lies where, and where a packaged path ends up when it leads through links.
//!
//! Links are followed in here and never by the kernel, so that nothing is written outside the image's root.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// As many links as Linux follows in one path (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Paths without a leading slash, sorted bytewise, so that a folder comes before what is in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) entries: BTreeMap<String, Entry>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) node: Node,
    /// Permission bits with set-user-ID, set-group-ID and sticky bit.
    pub(super) mode: u32,
    /// Whether only packages that are there for the steps alone have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) build_only: bool,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Node {
    Folder,
    /// Files with the same `content` are hard links of one file.
    File {
        size: u64,
        content: u64,
    },
    Link {
        target: String,
    },
}

impl Tree {
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The path that `path` stands for when links among its parents are followed. The last component is not followed.
    pub(super) fn resolve(&self, path: &str) -> Result<String> {
        self.walk(path, false)
    }

    /// The same with the last component followed too.
    pub(super) fn resolve_all(&self, path: &str) -> Result<String> {
        self.walk(path, true)
    }

    /// Adds an entry at a resolved path. Its parents are needed by whoever needs it.
    pub(super) fn insert(&mut self, path: String, entry: Entry) {
        if !entry.build_only {
            self.keep_parents(&path);
        }
        self.entries.insert(path, entry);
    }

    /// Notes that something that stays in the image has this path too.
    pub(super) fn keep(&mut self, path: &str) {
        self.keep_parents(path);
        if let Some(entry) = self.entries.get_mut(path) {
            entry.build_only = false;
        }
    }

    fn keep_parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            if let Some(parent) = self.entries.get_mut(&path[..end]) {
                parent.build_only = false;
            }
        }
    }

    fn walk(&self, path: &str, follow_last: bool) -> Result<String> {
        let mut pending: Vec<&str> =
            path.split('/').rev().filter(|part| !matches!(*part, "" | ".")).collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == ".." {
                let Some(end) = done.rfind('/').or((!done.is_empty()).then_some(0)) else {
                    bail!("path {path:?} leads out of the image");
                };
                done.truncate(end);
                continue;
            }
            let parent = done.len();
            if !done.is_empty() {
                done.push('/');
            }
            done.push_str(part);
            if pending.is_empty() && !follow_last {
                break;
            }
            if let Some(Entry { node: Node::Link { target }, .. }) = self.entries.get(&done) {
                links += 1;
                if links > MAX_LINKS {
                    bail!("path {path:?} leads through more than {MAX_LINKS} links");
                }
                done.truncate(if target.starts_with('/') { 0 } else { parent });
                pending.extend(target.split('/').rev().filter(|part| !matches!(*part, "" | ".")));
            }
        }
        Ok(done)
    }
}

/// A packaged path without `./` and without slashes around it; refused when it has `..` in it or is absolute.
pub(super) fn packaged_path(raw: &[u8]) -> Result<String> {
    let shown = String::from_utf8_lossy(raw);
    let Ok(path) = std::str::from_utf8(raw) else { bail!("path {shown:?} is not UTF-8") };
    if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0') {
        bail!("path {shown:?} leads out of the image");
    }
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(links: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, target) in links {
            let node = Node::Link { target: (*target).to_owned() };
            tree.insert((*path).to_owned(), Entry { node, mode: 0o777, build_only: false });
        }
        tree
    }

    #[test]
    fn links_are_followed_inside_the_image() {
        let tree = tree(&[
            ("lib", "usr/lib"),
            ("abs", "/usr/share"),
            ("usr/lib/deep", "../share/x"),
            ("out", "../../etc"),
            ("loop", "loop"),
            ("last", "elsewhere"),
        ]);
        let cases = [
            ("lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
            ("abs/a", "usr/share/a"),
            ("lib/deep/a", "usr/share/x/a"),
            ("last", "last"),
            ("./a//b/", "a/b"),
        ];
        for (path, expected) in cases {
            assert_eq!(tree.resolve(path).unwrap(), expected, "{path}");
        }
        assert_eq!(tree.resolve_all("lib").unwrap(), "usr/lib");
        assert!(tree.resolve("out/passwd").unwrap_err().to_string().contains("leads out"));
        assert!(tree.resolve("loop/a").unwrap_err().to_string().contains("40 links"));
    }

    #[test]
    fn packaged_paths_stay_inside() {
        assert_eq!(packaged_path(b"./usr/bin/").unwrap(), "usr/bin");
        assert_eq!(packaged_path(b"./").unwrap(), "");
        for bad in [b"../etc/passwd".as_slice(), b"/etc/passwd", b"a/../../b", b"a\0b", b"\xff"] {
            assert!(packaged_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_a_kept_file_needs_is_kept() {
        let mut tree = Tree::default();
        let folder = Entry { node: Node::Folder, mode: 0o755, build_only: true };
        tree.insert("usr".into(), folder.clone());
        tree.insert("usr/src".into(), folder.clone());
        tree.insert("usr/lib".into(), folder);
        let file = Entry { node: Node::File { size: 0, content: 0 }, mode: 0o644, build_only: false };
        tree.insert("usr/lib/a".into(), file);
        let build_only = |path: &str| tree.get(path).unwrap().build_only;
        assert!(!build_only("usr") && !build_only("usr/lib") && build_only("usr/src"));
    }
}
