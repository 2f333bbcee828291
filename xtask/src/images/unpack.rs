//! Writes the files of packages, wheels and the repository below a root folder and keeps account of them in a [`Tree`].
//!
//! What is written depends on the packages alone: not on the umask, not on who runs it, not on the clock.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::deb;
use super::disk::Room;
use super::pattern;
use super::tree::{Entry, Node, Tree, packaged_path};

/// The modification time of everything in an image, in seconds since the epoch: the first second of the year 2000.
/// Not zero, which some tools take for "unknown".
pub(super) const MODIFIED: u64 = 946_684_800;

/// An image's root file system while it is being filled.
pub(super) struct Unpacker {
    root: PathBuf,
    tree: Tree,
    contents: u64,
    room: Room,
}

/// Which paths of packages and wheels are taken.
pub(super) struct Rules<'a> {
    pub(super) only: &'a [String],
    pub(super) drop: &'a [String],
    pub(super) keep: &'a [String],
}

impl Rules<'_> {
    pub(super) fn take(&self, path: &str) -> bool {
        if !self.only.is_empty() {
            return pattern::any_matches(self.only, path);
        }
        !pattern::any_matches(self.drop, path) || pattern::any_matches(self.keep, path)
    }
}

impl Unpacker {
    /// Starts with an empty root, which must exist.
    pub(super) fn new(root: &Path, room: Room) -> Unpacker {
        Unpacker { root: root.to_path_buf(), tree: Tree::default(), contents: 0, room }
    }

    /// Unpacks a package.
    pub(super) fn package(&mut self, deb: &Path, rules: &Rules<'_>, build_only: bool) -> Result<()> {
        let mut archive = tar::Archive::new(deb::data_tar(io::BufReader::new(File::open(deb)?))?);
        for entry in archive.entries().context("its data.tar is damaged")? {
            let mut entry = entry.context("its data.tar is damaged")?;
            let path = packaged_path(&entry.path_bytes())?;
            if path.is_empty() || !rules.take(&path) {
                continue;
            }
            let mode = entry.header().mode()? & 0o7777;
            let kind = entry.header().entry_type();
            match kind {
                tar::EntryType::Directory => self.folder(&path, mode, build_only)?,
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    self.file(&path, mode, build_only, &mut entry)?;
                }
                tar::EntryType::Symlink => {
                    let target = entry.link_name_bytes().context("a link without a target")?;
                    let target = std::str::from_utf8(&target).context("a link's target is not UTF-8")?;
                    self.link(&path, target, build_only)?;
                }
                tar::EntryType::Link => {
                    let target = entry.link_name_bytes().context("a hard link without a target")?;
                    let target = packaged_path(&target)?;
                    self.hard_link(&path, &target, build_only)?;
                }
                other => bail!("{path} is of a kind that images do not have: {other:?}"),
            }
        }
        Ok(())
    }

    /// Makes a folder, unless there is one already, perhaps through a link.
    pub(super) fn folder(&mut self, path: &str, mode: u32, build_only: bool) -> Result<()> {
        let place = self.place(path, build_only)?;
        let followed = self.tree.resolve_all(&place)?;
        match self.tree.get(&followed).map(|entry| &entry.node) {
            Some(Node::Folder) => {
                if !build_only {
                    self.tree.keep(&followed);
                    self.tree.keep(&place);
                }
                Ok(())
            }
            Some(_) => bail!("{path} is a folder here and a file in another package"),
            None => {
                // A link to a folder that no package has shipped yet: the folder is made where the link points.
                let place = self.place(&followed, build_only)?;
                self.make_folder(place, mode, build_only)
            }
        }
    }

    /// Writes a file.
    pub(super) fn file(
        &mut self,
        path: &str,
        mode: u32,
        build_only: bool,
        content: &mut dyn Read,
    ) -> Result<()> {
        let place = self.place(path, build_only)?;
        let target = self.root.join(&place);
        if let Some(entry) = self.tree.get(&place) {
            if !matches!(entry.node, Node::File { .. }) || !same_content(&target, content)? {
                bail!(
                    "{path} is in another package too, with other content; leave one of them out with `without`, or the path with `drop`"
                );
            }
            if !build_only {
                self.tree.keep(&place);
            }
            return Ok(());
        }
        let explain = |error| self.room.explain(error);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&target).map_err(explain)?;
        let size = io::copy(content, &mut file).map_err(explain)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        drop(file);
        set_modified(&target)?;
        self.contents += 1;
        let node = Node::File { size, content: self.contents };
        self.tree.insert(place, Entry { node, mode, build_only });
        Ok(())
    }

    /// Makes a symbolic link. It may point anywhere; it is only ever followed inside the root.
    pub(super) fn link(&mut self, path: &str, target: &str, build_only: bool) -> Result<()> {
        let place = self.place(path, build_only)?;
        let node = Node::Link { target: target.to_owned() };
        if let Some(entry) = self.tree.get(&place) {
            if entry.node != node {
                bail!("link {path} -> {target} is something else in another package");
            }
            if !build_only {
                self.tree.keep(&place);
            }
            return Ok(());
        }
        let at = self.root.join(&place);
        symlink(target, &at).map_err(|error| self.room.explain(error))?;
        set_modified(&at)?;
        self.tree.insert(place, Entry { node, mode: 0o777, build_only });
        Ok(())
    }

    /// Sets modes and times of folders, which had to stay writable until now, and gives the account. `added` is what
    /// steps have written below the same root.
    pub(super) fn finish(self, added: &[Tree]) -> Result<Tree> {
        for tree in added.iter().rev().chain([&self.tree]) {
            for (path, entry) in tree.entries.iter().rev().filter(|(_, entry)| entry.node == Node::Folder) {
                seal_folder(&self.root.join(path), entry.mode)?;
            }
        }
        seal_folder(&self.root, 0o755)?;
        Ok(self.tree)
    }

    /// Notes that a folder is needed by more than build-only packages.
    pub(super) fn keep(&mut self, path: &str) {
        self.tree.keep(path);
    }

    /// What has been unpacked so far.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Removes everything that only build-only packages have.
    pub(super) fn drop_build_only(&mut self) -> Result<()> {
        for (path, entry) in self.tree.entries.iter().rev().filter(|(_, entry)| entry.build_only) {
            let path = self.root.join(path);
            let removed =
                if entry.node == Node::Folder { fs::remove_dir(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        self.tree.entries.retain(|_, entry| !entry.build_only);
        Ok(())
    }

    fn hard_link(&mut self, path: &str, target: &str, build_only: bool) -> Result<()> {
        let target = self.tree.resolve(target)?;
        let Some(original) = self.tree.get(&target).cloned() else {
            bail!("hard link {path} leads to {target}, which is not unpacked; take both or neither");
        };
        let place = self.place(path, build_only)?;
        if self.tree.get(&place).is_some() {
            bail!("hard link {path} is in another package too");
        }
        fs::hard_link(self.root.join(&target), self.root.join(&place))
            .map_err(|error| self.room.explain(error))?;
        self.tree.insert(place, Entry { build_only, ..original });
        Ok(())
    }

    /// Where `path` lies once links are followed; its parents are made when they are missing.
    fn place(&mut self, path: &str, build_only: bool) -> Result<String> {
        let place = self.tree.resolve(path)?;
        if place.is_empty() {
            bail!("path {path:?} is the root itself");
        }
        for (end, _) in place.match_indices('/') {
            let parent = &place[..end];
            match self.tree.get(parent).map(|entry| &entry.node) {
                Some(Node::Folder) => {}
                Some(_) => bail!("{path} lies in {parent}, which is no folder"),
                None => self.make_folder(parent.to_owned(), 0o755, build_only)?,
            }
        }
        if !build_only && place != path {
            // The links on the way are needed as much as the file.
            for (end, _) in path.match_indices('/') {
                let parent = self.tree.resolve(&path[..end])?;
                self.tree.keep(&parent);
            }
        }
        Ok(place)
    }

    fn make_folder(&mut self, place: String, mode: u32, build_only: bool) -> Result<()> {
        let target = self.root.join(&place);
        fs::create_dir(&target).map_err(|error| self.room.explain(error))?;
        fs::set_permissions(&target, Permissions::from_mode(0o755))?;
        self.tree.insert(place, Entry { node: Node::Folder, mode, build_only });
        Ok(())
    }
}

/// Gives `path` the modification time that everything in an image has. A link is not followed.
pub(super) fn set_modified(path: &Path) -> Result<()> {
    let time = Timespec { tv_sec: MODIFIED as _, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .with_context(|| format!("cannot set the time of {}", path.display()))
}

fn seal_folder(path: &Path, mode: u32) -> Result<()> {
    set_modified(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))
}

fn same_content(path: &Path, content: &mut dyn Read) -> Result<bool> {
    let mut file = io::BufReader::new(File::open(path)?);
    file.rewind()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    file.read_to_end(&mut ours)?;
    content.read_to_end(&mut theirs)?;
    Ok(ours == theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::tests::{Member, deb};

    const ALL: Rules<'_> = Rules { only: &[], drop: &[], keep: &[] };

    /// Unpacks one package after the other into one root; build-only where the flag says so.
    fn unpack(root: &Path, debs: &[(&[Member<'_>], bool)]) -> Result<Unpacker> {
        let mut unpacker = Unpacker::new(root, Room { folder: root.to_path_buf(), needed: 0 });
        for (members, build_only) in debs {
            let file = tempfile::NamedTempFile::new()?;
            fs::write(file.path(), deb(members))?;
            unpacker.package(file.path(), &ALL, *build_only)?;
        }
        Ok(unpacker)
    }

    fn refused(members: &[Member<'_>]) -> String {
        let root = tempfile::tempdir().unwrap();
        let Err(error) = unpack(root.path(), &[(members, false)]) else { panic!("{members:?} was unpacked") };
        format!("{error:#}")
    }

    #[test]
    fn nothing_is_written_outside_the_root() {
        assert!(refused(&[Member::File("../evil", 0o644, "x")]).contains("leads out"));
        assert!(refused(&[Member::File("/evil", 0o644, "x")]).contains("leads out"));
        let climb = [Member::Link("x", "../../.."), Member::File("x/evil", 0o644, "x")];
        assert!(refused(&climb).contains("leads out"));
        assert!(refused(&[Member::HardLink("x", "../../etc/passwd")]).contains("leads out"));
        assert!(refused(&[Member::HardLink("x", "etc/passwd")]).contains("not unpacked"));
    }

    #[test]
    fn absolute_links_are_followed_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        let members = [Member::Link("x", "/deep/er"), Member::File("x/file", 0o644, "text")];
        unpack(root.path(), &[(&members, false)]).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("deep/er/file")).unwrap(), "text");
        assert!(!Path::new("/deep/er/file").exists());
    }

    #[test]
    fn a_path_of_two_packages_must_have_the_same_content() {
        let root = tempfile::tempdir().unwrap();
        let first: &[Member<'_>] = &[Member::File("a", 0o644, "x")];
        unpack(root.path(), &[(first, false), (first, false)]).unwrap();
        let root = tempfile::tempdir().unwrap();
        let other: &[Member<'_>] = &[Member::File("a", 0o644, "y")];
        let Err(error) = unpack(root.path(), &[(first, false), (other, false)]) else {
            panic!("both were taken")
        };
        assert!(error.to_string().contains("in another package too"), "{error}");
    }

    #[test]
    fn build_only_files_go_and_their_hard_links_stay() {
        let root = tempfile::tempdir().unwrap();
        let kept: &[Member<'_>] = &[Member::Folder("usr", 0o755), Member::File("usr/kept", 0o644, "k")];
        let gone: &[Member<'_>] = &[
            Member::Folder("usr", 0o755),
            Member::Folder("usr/src", 0o555),
            Member::File("usr/src/a", 0o644, "a"),
            Member::HardLink("usr/src/b", "usr/src/a"),
        ];
        let mut unpacker = unpack(root.path(), &[(kept, false), (gone, true)]).unwrap();
        assert!(root.path().join("usr/src/b").exists());
        unpacker.drop_build_only().unwrap();
        let tree = unpacker.finish(&[]).unwrap();
        assert_eq!(tree.entries.into_keys().collect::<Vec<_>>(), ["usr", "usr/kept"]);
        assert!(!root.path().join("usr/src").exists());
    }

    #[test]
    fn modes_and_times_are_those_of_the_package_under_any_umask() {
        use std::os::unix::fs::MetadataExt as _;
        let members: &[Member<'_>] = &[
            Member::Folder("tmp", 0o1777),
            Member::Folder("locked", 0o555),
            Member::File("locked/tool", 0o4755, "x"),
            Member::Link("link", "tmp"),
        ];
        let mut digests = Vec::new();
        for umask in [0o077, 0o000, 0o022] {
            let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
            let root = tempfile::tempdir().unwrap();
            let tree = unpack(root.path(), &[(members, false)]).unwrap().finish(&[]).unwrap();
            rustix::process::umask(before);
            let seen = |path: &str| root.path().join(path).symlink_metadata().unwrap();
            assert_eq!(seen("tmp").mode() & 0o7777, 0o1777);
            assert_eq!(seen("locked").mode() & 0o7777, 0o555);
            assert_eq!(seen("locked/tool").mode() & 0o7777, 0o4755);
            for path in ["tmp", "locked", "locked/tool", "link"] {
                assert_eq!(seen(path).mtime(), MODIFIED as i64, "{path}");
            }
            digests.push(crate::images::layer::measure(root.path(), tree, String::new()).unwrap().diff_id);
        }
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    }
}
