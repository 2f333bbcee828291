//! `images prune`: removes from the cache what no lock names and nobody has used for a while.
//!
//! The cache is shared by all clones, and only the locks of this one are known here. So what others use is told by when it was last used, which every
//! command notes. Downloaded packages stay: an archive may not have them any more, and images can be made of them again without a network.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::ensure::substitute_path;
use super::lock::Lock;
use super::store::{UNFINISHED, remove_tree};
use super::{Options, Workshop, select};
use crate::build::sha256;
use crate::cache_use::{CacheUse, last_used};
use crate::flags::PruneFlags;

/// What is removed, and the folder of the cache that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An unpacked image, by its digest.
    Image,
    /// The sources of all crates of a `Cargo.lock`, by that file's digest.
    Crates,
    /// What was seen in a host, by a digest of all that took part. No lock names it.
    Observations,
}

/// Something in the cache.
#[derive(Debug)]
struct Item {
    kind: Kind,
    path: PathBuf,
    /// The file's name.
    name: String,
    used: SystemTime,
}

/// What the locks of this repository name: digests in hex.
#[derive(Debug, Default)]
struct Named {
    images: BTreeSet<String>,
    crates: BTreeSet<String>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Before the name of what is being removed, so that nobody takes the rest of it for the whole.
const PRUNED: &str = "pruned-";

/// Removes what is old and named by no lock, or only says what that would be.
///
/// # Errors
/// A definition without a lock that fits, as what it names is not known then; another command that uses the cache. Nothing was removed then.
pub(crate) fn prune(options: &Options, cache_use: &CacheUse, flags: &PruneFlags) -> Result<()> {
    let named = named(options)?;
    let age = DAY * flags.older_than;
    let chosen = || -> Result<(usize, Vec<Item>)> {
        let mut items = look(&options.cache)?;
        let (all, now) = (items.len(), SystemTime::now());
        items.retain(|item| is_removable(item, &named, now, age));
        Ok((all, items))
    };
    if flags.dry_run {
        let (all, items) = chosen()?;
        let bytes = items.iter().map(show).sum::<Result<u64>>()?;
        println!("would remove {} of {all}, {}", items.len(), megabytes(bytes));
        return Ok(());
    }
    cache_use.be_alone(&options.cache)?;
    // An xtask of an older revision does not say that it uses the cache, but this it holds while it makes images.
    let _guard = Workshop::open(options)?.lock()?;
    let (all, items) = chosen()?;
    let mut bytes = 0;
    for item in &items {
        bytes += show(item)?;
        remove(item)?;
    }
    println!("removed {} of {all}, {}", items.len(), megabytes(bytes));
    Ok(())
}

/// What is kept however old it is.
fn named(options: &Options) -> Result<Named> {
    let mut named = Named::default();
    for definition in select(options, &[])? {
        let lock = Lock::read(&definition)?;
        let substitute = fs::read_to_string(substitute_path(options, &definition, &lock)?);
        let substitute = substitute.ok().and_then(|text| Lock::parse(&text).ok());
        for image in [Some(lock), substitute].into_iter().flatten().map(|lock| lock.image) {
            named.images.insert(image.trim_start_matches("sha256:").to_owned());
        }
    }
    for file in cargo_locks(&options.repository)? {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        named.crates.insert(sha256(&content));
    }
    Ok(named)
}

/// Every `Cargo.lock` of the repository, but for those below folders of builds and hidden ones.
fn cargo_locks(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_built = ["target", "dist"].contains(&name.as_ref()) || name.starts_with('.');
        if entry.file_type()?.is_dir() && !is_built {
            found.extend(cargo_locks(&entry.path())?);
        } else if name == "Cargo.lock" {
            found.push(entry.path());
        }
    }
    Ok(found)
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Image, Kind::Crates, Kind::Observations];

    fn folder(self) -> &'static str {
        match self {
            Kind::Image => "images",
            Kind::Crates => "crates",
            Kind::Observations => "observations",
        }
    }
}

/// All that could be removed. Hidden entries are locks, and what is half-made.
fn look(cache: &Path) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for kind in Kind::ALL {
        let Ok(entries) = fs::read_dir(cache.join(kind.folder())) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                items.push(Item { kind, used: last_used(&path)?, path, name });
            }
        }
    }
    items.sort_by(|one, other| (one.used, &one.path).cmp(&(other.used, &other.path)));
    Ok(items)
}

fn is_removable(item: &Item, named: &Named, now: SystemTime, age: Duration) -> bool {
    let is_named = match item.kind {
        Kind::Image => named.images.contains(&item.name),
        Kind::Crates => named.crates.contains(&item.name),
        Kind::Observations => false,
    };
    // Clocks may have been set back: what was used later than now is not old.
    let is_old = now.duration_since(item.used).is_ok_and(|unused| unused >= age);
    item.name.starts_with(PRUNED) || (!is_named && is_old)
}

/// One line for it; gives its size on disk in bytes.
fn show(item: &Item) -> Result<u64> {
    let bytes = size(&item.path)?;
    let unused = SystemTime::now().duration_since(item.used).unwrap_or_default();
    let days = unused.as_secs() / DAY.as_secs();
    println!("{}/{}  {}, not used for {days} days", item.kind.folder(), item.name, megabytes(bytes));
    Ok(bytes)
}

/// Takes it out of its place first, so that what is left when this is interrupted is no image and no complete set of crates.
fn remove(item: &Item) -> Result<()> {
    let shown = || format!("cannot remove {}", item.path.display());
    if item.path.is_dir() {
        // Unfinished images are swept away by whoever makes images next, everything else by the next prune.
        let prefix = if item.kind == Kind::Image { UNFINISHED } else { PRUNED };
        let aside = item.path.with_file_name(format!("{prefix}{}", item.name));
        fs::rename(&item.path, &aside).with_context(shown)?;
        remove_tree(&aside)
    } else {
        fs::remove_file(&item.path).with_context(shown)
    }
}

/// What it takes on disk.
fn size(path: &Path) -> Result<u64> {
    let metadata =
        fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    // st_blocks of stat(2) counts units of 512 bytes.
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        // Folders in images may be closed to all but root; then this counts less than there is.
        for entry in fs::read_dir(path).into_iter().flatten() {
            bytes += size(&entry?.path())?;
        }
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::engine::EngineChoice;

    fn options(cache: &Path) -> Options {
        Options {
            repository: crate::paths::repository().unwrap(),
            cache: cache.to_owned(),
            mirror: None,
            snapshot_mirror: None,
            keyring: PathBuf::new(),
            engine: EngineChoice::default(),
            locked: false,
        }
    }

    /// A folder of the cache that was used so many days ago.
    fn folder(cache: &Path, kind: Kind, name: &str, days: u32) -> PathBuf {
        let path = cache.join(kind.folder()).join(name);
        fs::create_dir_all(path.join("rootfs")).unwrap();
        fs::write(path.join("rootfs/file"), "x").unwrap();
        used(&path, days);
        path
    }

    fn used(path: &Path, days: u32) {
        File::open(path)
            .unwrap()
            .set_modified(SystemTime::now() - DAY * days - Duration::from_secs(60))
            .unwrap();
    }

    fn run(options: &Options, dry_run: bool) -> Result<()> {
        prune(options, &CacheUse::begin(&options.cache), &PruneFlags { dry_run, older_than: 14 })
    }

    #[test]
    fn what_no_lock_names_is_removed_when_it_is_old_and_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        let options = options(cache.path());
        let named = named(&options).unwrap();
        let lock = fs::read(options.repository.join("Cargo.lock")).unwrap();
        let module = fs::read(options.repository.join("ngx-backend/module/Cargo.lock")).unwrap();
        let foreign = "a".repeat(64);
        let kept = [
            folder(cache.path(), Kind::Image, named.images.first().unwrap(), 400),
            folder(cache.path(), Kind::Crates, &sha256(&lock), 400),
            folder(cache.path(), Kind::Crates, &sha256(&module), 400),
            folder(cache.path(), Kind::Image, &foreign, 13),
            folder(cache.path(), Kind::Crates, &foreign, 13),
        ];
        let old = [
            folder(cache.path(), Kind::Image, &"b".repeat(64), 14),
            folder(cache.path(), Kind::Crates, &"b".repeat(64), 15),
            // Of interrupted runs: one that fetched, one that removed.
            folder(cache.path(), Kind::Crates, "vendor-x1", 20),
            folder(cache.path(), Kind::Crates, &format!("{PRUNED}{foreign}"), 0),
        ];
        let seen = cache.path().join("observations");
        fs::create_dir(&seen).unwrap();
        for (name, days) in [("new.json", 1), ("old.json", 20)] {
            fs::write(seen.join(name), "{}").unwrap();
            used(&seen.join(name), days);
        }
        fs::create_dir(cache.path().join("blobs")).unwrap();
        let blob = cache.path().join("blobs").join(&foreign);
        fs::write(&blob, "x").unwrap();
        used(&blob, 400);

        run(&options, true).unwrap();
        assert!(old.iter().chain(&kept).all(|path| path.exists()), "a dry run removes nothing");
        let used_by_another = CacheUse::begin(cache.path());
        let error = run(&options, false).unwrap_err().to_string();
        assert!(error.contains("another xtask uses"), "{error}");
        assert!(old.iter().all(|path| path.exists()));
        drop(used_by_another);

        run(&options, false).unwrap();
        assert!(old.iter().all(|path| !path.exists()), "{old:?}");
        assert!(kept.iter().chain([&blob]).all(|path| path.exists()), "{kept:?}");
        assert!(seen.join("new.json").exists() && !seen.join("old.json").exists());
        let left = fs::read_dir(cache.path().join("images")).unwrap().count();
        assert_eq!(left, 3, "two images and the lock");
    }

    #[test]
    fn every_workspace_of_the_repository_names_its_crates() {
        let repository = crate::paths::repository().unwrap();
        let found = cargo_locks(&repository).unwrap();
        for workspace in ["", "ngx-backend/module", "containers/peers/stable-abi"] {
            assert!(found.contains(&repository.join(workspace).join("Cargo.lock")), "{workspace}: {found:?}");
        }
    }

    #[test]
    fn what_is_used_later_than_now_is_not_old() {
        let now = SystemTime::now();
        let item =
            Item { kind: Kind::Observations, path: PathBuf::new(), name: "a".to_owned(), used: now + DAY };
        assert!(!is_removable(&item, &Named::default(), now, DAY));
        assert!(is_removable(&Item { used: now - DAY, ..item }, &Named::default(), now, DAY));
    }
}
