//! Publishes tables to a folder, for readers that never wait.

use crate::control::{self, Control};
use crate::entry::Upstreams;
use crate::pattern::Pattern;
use crate::table::{BuildError, Builder, Purpose};
use crate::tables::{base_name, DELTA};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{fchown, DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name of the control file.
pub(crate) const CONTROL: &str = "control";
/// What files are called until they are complete.
const UNFINISHED: &str = ".new";

/// Who may read what is published, beside the publisher's user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// The number of a group whose members may read; nobody else may. `None` for the publisher's own group.
    pub group: Option<u32>,
}

/// A pattern that changed: its upstreams now, or that it has none.
pub type Change<'a> = (&'a Pattern, Option<&'a Upstreams>);

/// Writes to one folder. Only one may at a time, which the caller sees to.
///
/// A *base* is a large table that is written seldom; a *delta* names its base and holds what changed since then. Each publication is a new
/// delta, put in the place of the former one by rename(2), perhaps with a new base beside it; then a number in the control page changes.
#[derive(Debug)]
pub struct Publisher {
    directory: PathBuf,
    access: Access,
    control: File,
    generation: u64,
    base: Option<(u64, u64)>,
    /// The base, then the delta, as they were when they were published.
    published: Vec<(PathBuf, Stamp)>,
}

/// What a file is told by: device, number, length, and when its content was last changed.
type Stamp = (u64, u64, u64, (i64, i64));

/// A base that is being written. Independent of its publisher, so that changes may be published meanwhile.
pub struct BaseWriter {
    directory: PathBuf,
    builder: Builder<BufWriter<File>>,
    id: u64,
    seed: u64,
}

/// A base that is complete and not published yet.
#[derive(Debug)]
pub struct NewBase {
    id: u64,
    seed: u64,
    entries: u64,
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Counts publications in this folder, from 1.
    pub generation: u64,
    /// Records of the delta.
    pub delta: u64,
    /// Length of the delta in bytes.
    pub delta_bytes: u64,
}

/// Why something was not published. What was published before stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file or folder.
    #[error("cannot {action} {path}")]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder may be written by others.
    #[error("{0} may be written by its group or by everybody, who could end its readers; take that from them (chmod go-w)")]
    OpenFolder(PathBuf),
    /// A table.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The folder, or its control file, is another one than when it was opened: readers look there now.
    #[error("{0} was replaced or emptied; open it anew")]
    Replaced(PathBuf),
    /// A published file is gone or another one, or something was written to it: readers that start now cannot use it.
    #[error("{0} was changed or removed by somebody else")]
    Changed(PathBuf),
    /// There is no base to change.
    #[error("nothing was published yet that could be changed")]
    NoBase,
}

impl Publisher {
    /// Makes the folder if it is not there, and goes on counting where its last publisher stopped. Readers notice nothing until
    /// something is published with a base.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn open(directory: &Path, access: Access) -> Result<Publisher, PublishError> {
        if !directory.exists() {
            let made = DirBuilder::new().recursive(true).mode(0o750).create(directory);
            made.map_err(at("make the folder", directory))?;
        }
        let folder = File::open(directory).map_err(at("open", directory))?;
        let mode = folder.metadata().map_err(at("look at", directory))?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(PublishError::OpenFolder(directory.to_owned()));
        }
        if let Some(group) = access.group {
            fchown(&folder, None, Some(group)).map_err(at("give to the group", directory))?;
            folder
                .set_permissions(Permissions::from_mode(0o750))
                .map_err(at("set the mode of", directory))?;
        }
        let path = directory.join(CONTROL);
        let known = known_control(&path);
        if let Some((control, _)) = &known {
            // The group may be another one than the last time.
            give_to_readers(control, &path, access)?;
        }
        let generation = known.as_ref().map_or(0, |(_, generation)| *generation);
        let control = match known {
            Some((control, _)) => control,
            None => {
                let unfinished = directory.join(format!("{CONTROL}{UNFINISHED}"));
                let mut file = create(&unfinished, access)?;
                file.write_all(&control::content(generation)).map_err(at("write", &unfinished))?;
                sync(&file, &unfinished)?;
                put_in_place(&unfinished, &path)?;
                file
            }
        };
        let publisher = Publisher {
            directory: directory.to_owned(),
            access,
            control,
            generation,
            base: None,
            published: Vec::new(),
        };
        Ok(publisher)
    }

    /// Begins a base.
    ///
    /// # Errors
    /// If its file cannot be made.
    pub fn new_base(&self) -> Result<BaseWriter, PublishError> {
        // A number that no base of this folder had, since readers keep a base by it.
        let (id, seed) = (random().max(1), random());
        let file = create(&self.directory.join(base_name(id) + UNFINISHED), self.access)?;
        let purpose = Purpose { id, base: 0, generation: self.generation + 1, seed };
        let builder = Builder::new(BufWriter::with_capacity(1 << 20, file), purpose);
        Ok(BaseWriter { directory: self.directory.clone(), builder, id, seed })
    }

    /// Publishes: with `base` instead of the former one if it is given, and `changes` to it, each pattern once. Does not wait for the
    /// disk: what is published outlives this process, but not for certain a crash of the machine.
    ///
    /// # Errors
    /// [`PublishError`]. What was published before stays.
    pub fn publish<'a>(
        &mut self,
        base: Option<NewBase>,
        changes: impl IntoIterator<Item = Change<'a>>,
    ) -> Result<Published, PublishError> {
        let has_new_base = base.is_some();
        let (id, seed) = match base {
            Some(base) => (base.id, base.seed),
            None => self.base.ok_or(PublishError::NoBase)?,
        };
        self.check_control()?;
        if !has_new_base {
            // The delta is replaced in any case.
            check_files(self.published.get(..1).unwrap_or_default())?;
        }
        let generation = self.generation + 1;
        let unfinished = self.directory.join(format!("{DELTA}{UNFINISHED}"));
        let file = BufWriter::new(create(&unfinished, self.access)?);
        let mut builder = Builder::new(file, Purpose { id: random(), base: id, generation, seed });
        for (pattern, upstreams) in changes {
            builder.add(pattern, upstreams)?;
        }
        let (file, made) = builder.finish()?;
        // Not synced: on a busy machine the disk takes seconds for it, and all changes behind this one would wait. Readers read what is in
        // memory; should the machine itself end before the disk has it, they see by the checksums, and the publisher begins with a base.
        put_in_place(&unfinished, &self.directory.join(DELTA))?;
        drop(file);
        (self.generation, self.base) = (generation, Some((id, seed)));
        control::set_generation(&self.control, generation)
            .map_err(at("write", &self.directory.join(CONTROL)))?;
        if has_new_base {
            self.remove_other_files(id);
        }
        self.published.clear();
        for name in [base_name(id), DELTA.to_owned()] {
            let path = self.directory.join(name);
            // One that is gone already is noticed by the next check.
            let stamp = stamp(&path).unwrap_or_default();
            self.published.push((path, stamp));
        }
        let header = made.header;
        Ok(Published { generation, delta: header.entries + header.removals, delta_bytes: header.length })
    }

    /// Counts publications.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether all that was published is there as it was. Costs a few system calls; does not read the tables.
    ///
    /// # Errors
    /// [`PublishError::Replaced`] or [`PublishError::Changed`]: everything has to be published anew, by a publisher that opens the folder anew.
    pub fn check(&self) -> Result<(), PublishError> {
        self.check_control()?;
        check_files(&self.published)
    }

    /// Whether readers look at the control file that we have, and find there what we wrote.
    fn check_control(&self) -> Result<(), PublishError> {
        let path = self.directory.join(CONTROL);
        let ours = self.control.metadata().map_err(at("look at", &path))?;
        let is_ours = fs::metadata(&path).is_ok_and(|it| (it.dev(), it.ino()) == (ours.dev(), ours.ino()));
        if !is_ours {
            return Err(PublishError::Replaced(self.directory.clone()));
        }
        let expected = control::content(self.generation);
        let mut found = vec![0; expected.len()];
        let is_whole = self.control.read_exact_at(&mut found, 0).is_ok() && found == expected;
        if is_whole {
            Ok(())
        } else {
            Err(PublishError::Changed(path))
        }
    }

    /// Former bases, which readers keep as long as they need them, and what was left unfinished. One that stays costs space only.
    fn remove_other_files(&self, id: u64) {
        let kept = base_name(id);
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with("base-") && name != kept {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl BaseWriter {
    /// Adds an entry. Each pattern comes once.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn add(&mut self, pattern: &Pattern, upstreams: &Upstreams) -> Result<(), PublishError> {
        Ok(self.builder.add(pattern, Some(upstreams))?)
    }

    /// Completes the file and waits until the disk has it.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn finish(self) -> Result<NewBase, PublishError> {
        let (file, made) = self.builder.finish()?;
        let path = self.directory.join(base_name(self.id));
        let unfinished = self.directory.join(base_name(self.id) + UNFINISHED);
        sync(file.get_ref(), &unfinished)?;
        put_in_place(&unfinished, &path)?;
        Ok(NewBase { id: self.id, seed: self.seed, entries: made.header.entries })
    }
}

impl NewBase {
    /// Entries in it.
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

/// Whether these files are there as they were.
fn check_files(files: &[(PathBuf, Stamp)]) -> Result<(), PublishError> {
    match files.iter().find(|(path, published)| stamp(path) != Some(*published)) {
        Some((path, _)) => Err(PublishError::Changed(path.clone())),
        None => Ok(()),
    }
}

/// `None` if there is no file.
fn stamp(path: &Path) -> Option<Stamp> {
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.len(), (it.mtime(), it.mtime_nsec())))
}

/// The control file of a former publisher, and where it stopped. A garbled one is replaced.
fn known_control(path: &Path) -> Option<(File, u64)> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    let generation = Control::of(&file).ok()?.generation();
    Some((file, generation))
}

/// A new file that its group may read and nobody else.
fn create(path: &Path, access: Access) -> Result<File, PublishError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at("remove", path)(error)),
        _ => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(at("create", path))?;
    give_to_readers(&file, path, access)?;
    Ok(file)
}

fn give_to_readers(file: &File, path: &Path, access: Access) -> Result<(), PublishError> {
    if let Some(group) = access.group {
        fchown(file, None, Some(group)).map_err(at("give to the group", path))?;
    }
    // The mode at its creation is subject to the umask, this is not.
    file.set_permissions(Permissions::from_mode(0o640)).map_err(at("set the mode of", path))
}

fn sync(file: &File, path: &Path) -> Result<(), PublishError> {
    file.sync_data().map_err(at("sync", path))
}

fn put_in_place(unfinished: &Path, path: &Path) -> Result<(), PublishError> {
    fs::rename(unfinished, path).map_err(at("rename to", path))
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PublishError {
    let path = path.to_owned();
    move |source| PublishError::File { action, path, source }
}

/// A number that differs from call to call and from process to process.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl std::fmt::Debug for BaseWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseWriter").field("id", &self.id).finish_non_exhaustive()
    }
}
