//! The store: entries on disk, in redb, by the key of their pattern.

mod copy;
#[cfg(test)]
mod power;

use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use backend_map::{Entry, Host, Pattern, Upstreams, wire};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

pub(crate) use copy::{Mark, Position};

/// Patterns' keys, and upstreams as [`wire`] writes them.
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const FORMAT: TableDefinition<'_, &str, u64> = TableDefinition::new("format");
/// Bytes of the file that are kept in memory. redb's own measure is a gigabyte; here lookups go to the published table, and what remains are walks
/// through all of it and single changes.
const CACHE: usize = 64 << 20;
/// The version of what the tables hold.
const VERSION: u64 = 1;

/// Entries on disk. From any thread; one writes at a time, nobody waits for it to read.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    /// False as long as it is to be a copy and nothing is known yet of what is copied.
    is_filled: AtomicBool,
}

/// A change of an entry: its upstreams now, or none.
pub(crate) type Change = (Pattern, Option<Upstreams>);

/// What a change found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    AnEntry,
}

/// The store cannot be read or written. The reason is for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It does not work.
    #[error(transparent)]
    Database(#[from] redb::Error),
    /// It is a copy, and has nothing to show yet.
    #[error("nothing is known yet of the map that is to be copied")]
    NotFilled,
}

impl Store {
    /// Opens the file, or makes it, for its owner alone.
    ///
    /// # Errors
    /// If another process has it, or it is none of ours.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("cannot open the store {}", path.display());
        let store = Self::open_file(path).with_context(context)?;
        store.be_no_copy().with_context(context)?;
        Ok(store)
    }

    fn open_file(path: &Path) -> anyhow::Result<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        drop(options.open(path)?);
        Self::of(Database::builder().set_cache_size(CACHE).create(path)?)
    }

    fn of(database: Database) -> anyhow::Result<Self> {
        let store = Self { database, is_filled: AtomicBool::new(true) };
        store.check_format()?;
        Ok(store)
    }

    fn check_format(&self) -> anyhow::Result<()> {
        let transaction = self.database.begin_write()?;
        {
            let mut format = transaction.open_table(FORMAT)?;
            let found = format.get("version")?.map(|version| version.value());
            match found {
                None => drop(format.insert("version", VERSION)?),
                Some(VERSION) => {}
                Some(found) => {
                    bail!(
                        "it has format {found}, this program has {VERSION}; use the release that wrote it to export it"
                    )
                }
            }
            transaction.open_table(ENTRIES)?;
        }
        Ok(transaction.commit()?)
    }

    /// Makes changes, all or none; when this returns, the disk has them. Says for each what was there before.
    ///
    /// # Errors
    /// If the disk did not take them: then none was made.
    pub(crate) fn apply<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Result<Vec<Before>, StoreError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let mut found = Vec::new();
        make(&transaction, changes, |before| found.push(before))?;
        transaction.commit().map_err(redb::Error::from)?;
        Ok(found)
    }

    /// The store as it is now, whatever is changed later.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn view(&self) -> Result<View, StoreError> {
        if !self.is_filled.load(Ordering::Acquire) {
            return Err(StoreError::NotFilled);
        }
        Ok(View { transaction: self.database.begin_read().map_err(redb::Error::from)? })
    }
}

/// Makes changes, in their order, as a part of a transaction, and tells of each what it found.
fn make<'a>(
    transaction: &WriteTransaction,
    changes: impl IntoIterator<Item = &'a Change>,
    mut tell: impl FnMut(Before),
) -> Result<(), StoreError> {
    let mut table = transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
    for (pattern, upstreams) in changes {
        let before = match upstreams {
            Some(upstreams) => table.insert(pattern.key(), encode(upstreams).as_slice()),
            None => table.remove(pattern.key()),
        };
        let before = before.map_err(redb::Error::from)?;
        tell(if before.is_some() { Before::AnEntry } else { Before::Nothing });
    }
    Ok(())
}

/// The store at one moment.
pub(crate) struct View {
    transaction: ReadTransaction,
}

impl View {
    /// The upstreams of a pattern.
    pub(crate) fn get(&self, pattern: &Pattern) -> Result<Option<Upstreams>, StoreError> {
        self.get_key(pattern.key())
    }

    /// The upstreams of a host: its own, else those of the longest wildcard, else those of all hosts.
    pub(crate) fn resolve(&self, host: &Host) -> Result<Option<Upstreams>, StoreError> {
        if let Some(found) = self.get_key(host.as_bytes())? {
            return Ok(Some(found));
        }
        for suffix in host.suffixes() {
            if let Some(found) = self.get_key(suffix)? {
                return Ok(Some(found));
            }
        }
        self.get_key(b"")
    }

    /// Entries in the order of their keys, from behind `after` on, until `each` says no.
    pub(crate) fn walk(
        &self,
        after: Option<&Pattern>,
        mut each: impl FnMut(Entry) -> bool,
    ) -> Result<(), StoreError> {
        let table = self.transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.key()));
        let range = table.range::<&[u8]>((start, Bound::Unbounded)).map_err(redb::Error::from)?;
        for row in range {
            let (key, value) = row.map_err(redb::Error::from)?;
            if !each(decode(key.value(), value.value())?) {
                break;
            }
        }
        Ok(())
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> Result<u64, StoreError> {
        let table = self.transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        Ok(table.len().map_err(redb::Error::from)?)
    }

    fn get_key(&self, key: &[u8]) -> Result<Option<Upstreams>, StoreError> {
        let table = self.transaction.open_table(ENTRIES).map_err(redb::Error::from)?;
        let value = table.get(key).map_err(redb::Error::from)?;
        value.map(|value| wire::decode_upstreams(value.value()).ok_or_else(|| foreign(key))).transpose()
    }
}

fn encode(upstreams: &Upstreams) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode_upstreams(&mut bytes, upstreams);
    bytes
}

fn decode(key: &[u8], value: &[u8]) -> Result<Entry, StoreError> {
    let entry = Pattern::from_key(key).zip(wire::decode_upstreams(value));
    entry.map(|(pattern, upstreams)| Entry { pattern, upstreams }).ok_or_else(|| foreign(key))
}

/// The file's checksums are right, and yet it was not us who wrote this.
fn foreign(key: &[u8]) -> StoreError {
    redb::Error::Corrupted(format!("the entry {:?} is none", String::from_utf8_lossy(key))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn change(host: &str, port: Option<u16>) -> Change {
        let upstreams = port.map(|port| {
            let address = format!("192.0.2.1:{port}").parse().unwrap();
            Upstreams::new(vec![backend_map::Upstream { address, weight: std::num::NonZeroU16::MIN }])
                .unwrap()
        });
        (Pattern::parse(host).unwrap(), upstreams)
    }

    #[test]
    fn entries_are_kept_found_walked_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.redb");
        let store = Store::open(&path).unwrap();
        let changes =
            [change("b", Some(1)), change("*.b", Some(2)), change("a", Some(3)), change("b", Some(4))];
        let before = store.apply(&changes).unwrap();
        assert_eq!(before, [Before::Nothing, Before::Nothing, Before::Nothing, Before::AnEntry]);
        let older = store.view().unwrap();
        assert_eq!(
            store.apply(&[change("a", None), change("c", None)]).unwrap(),
            [Before::AnEntry, Before::Nothing]
        );
        assert!(older.get(&changes[2].0).unwrap().is_some(), "a view stays what it was");
        assert!(Store::open(&path).is_err(), "one process has it, and one part of it");
        drop((older, store));

        let store = Store::open(&path).unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.count().unwrap(), 2);
        let mut hosts = Vec::new();
        view.walk(None, |entry| {
            hosts.push(entry.pattern.to_string());
            true
        })
        .unwrap();
        assert_eq!(hosts, ["*.b", "b"]);
        let resolve = |host: &str| view.resolve(&Host::parse(host.as_bytes()).unwrap()).unwrap();
        assert_eq!(resolve("b"), changes[3].1);
        assert_eq!(resolve("x.y.b"), changes[1].1);
        assert_eq!(resolve("a"), None);
    }
}
