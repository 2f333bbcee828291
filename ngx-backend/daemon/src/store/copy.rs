//! A store that is a copy of a map kept elsewhere, and how far it has come.
//!
//! It can be made anew at any time, so single changes do not wait for the disk.

use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use redb::{Durability, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::{Change, ENTRIES, Store, StoreError, make};

/// What it is a copy of.
const SOURCE: TableDefinition<'_, &str, &str> = TableDefinition::new("source");
/// Revision, nonce, and what was skipped there.
const FOLLOWED: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("followed");
/// The only key of both.
const THIS: &str = "this";

/// A change's place in the order of all changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Counts changes from 1.
    pub(crate) revision: u64,
    /// Chosen at random by who made the change: another history has another change of that revision.
    pub(crate) nonce: u64,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) position: Position,
    /// Entries that are none and so are not in the copy.
    pub(crate) skipped: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.revision, self.nonce)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (revision, nonce) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { revision: revision.parse()?, nonce: nonce.parse()? })
    }
}

impl Store {
    /// Opens the copy of `source`, or makes an empty one, which nobody can read before it is filled. One of another source is emptied.
    ///
    /// # Errors
    /// If another process has it, it is none of ours, or it is a store of its own with entries in it.
    pub(crate) fn open_copy(path: &Path, source: &str) -> anyhow::Result<(Self, Option<Mark>)> {
        let context = || format!("cannot open the copy {}", path.display());
        let store =
            Self { is_filled: AtomicBool::new(false), ..Self::open_file(path).with_context(context)? };
        let mark = store.check_source(source).with_context(context)?;
        store.is_filled.store(mark.is_some(), Ordering::Release);
        Ok((store, mark))
    }

    fn check_source(&self, source: &str) -> anyhow::Result<Option<Mark>> {
        let transaction = self.database.begin_write()?;
        let mark = {
            let mut sources = transaction.open_table(SOURCE)?;
            let of_this = sources.get(THIS)?.map(|found| found.value() == source);
            if of_this != Some(true) {
                if of_this.is_none() && !transaction.open_table(ENTRIES)?.is_empty()? {
                    bail!(
                        "it is a store of its own and no copy; name another file, and import what this one has"
                    );
                }
                if of_this.is_some() {
                    tracing::warn!(source, "the copy is of another map, and is begun anew");
                }
                transaction.delete_table(ENTRIES)?;
                transaction.open_table(ENTRIES)?;
                transaction.delete_table(FOLLOWED)?;
                sources.insert(THIS, source)?;
            }
            let followed = transaction.open_table(FOLLOWED)?;
            let found = followed.get(THIS)?;
            found.map(|found| {
                let (revision, nonce, skipped) = found.value();
                Mark { position: Position { revision, nonce }, skipped }
            })
        };
        transaction.commit()?;
        Ok(mark)
    }

    /// Forgets that it was a copy.
    pub(super) fn be_no_copy(&self) -> anyhow::Result<()> {
        let transaction = self.database.begin_write()?;
        transaction.delete_table(SOURCE)?;
        transaction.delete_table(FOLLOWED)?;
        Ok(transaction.commit()?)
    }

    /// Whether it can be read.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Acquire)
    }

    /// Makes changes that were made elsewhere. The disk has them and all before them when this was called with `durable`.
    ///
    /// # Errors
    /// If the store does not work: then none was made.
    pub(crate) fn follow(&self, changes: &[Change], mark: Mark, durable: bool) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        transaction.set_durability(durability).map_err(redb::Error::from)?;
        make(&transaction, changes, |_| ())?;
        finish(transaction, mark)
    }

    /// Begins to make the copy anew. Who reads meanwhile finds the former one.
    ///
    /// # Errors
    /// If the store does not work.
    pub(crate) fn replace(&self) -> Result<Replacement<'_>, StoreError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        transaction.delete_table(ENTRIES).map_err(redb::Error::from)?;
        Ok(Replacement { store: self, transaction })
    }
}

/// A copy that is made anew; nothing happens unless it is finished.
pub(crate) struct Replacement<'a> {
    store: &'a Store,
    transaction: WriteTransaction,
}

impl Replacement<'_> {
    /// Makes these changes in it.
    ///
    /// # Errors
    /// If the store does not work.
    pub(crate) fn make(&self, changes: &[Change]) -> Result<(), StoreError> {
        make(&self.transaction, changes, |_| ())
    }

    /// Puts it in the place of the former one; the disk has it then.
    ///
    /// # Errors
    /// If the store does not work: then the former one stays.
    pub(crate) fn finish(self, mark: Mark) -> Result<(), StoreError> {
        finish(self.transaction, mark)?;
        self.store.is_filled.store(true, Ordering::Release);
        Ok(())
    }
}

fn finish(transaction: WriteTransaction, mark: Mark) -> Result<(), StoreError> {
    {
        let Mark { position: Position { revision, nonce }, skipped } = mark;
        let mut followed = transaction.open_table(FOLLOWED).map_err(redb::Error::from)?;
        followed.insert(THIS, (revision, nonce, skipped)).map_err(redb::Error::from)?;
    }
    Ok(transaction.commit().map_err(redb::Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::change;
    use super::*;

    fn mark(revision: u64) -> Mark {
        Mark { position: Position { revision, nonce: 7 }, skipped: 1 }
    }

    #[test]
    fn a_copy_is_read_once_it_is_filled_and_remembers_how_far_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.redb");
        let (store, none) = Store::open_copy(&path, "here").unwrap();
        assert!(none.is_none() && matches!(store.view(), Err(StoreError::NotFilled)));
        let replacement = store.replace().unwrap();
        replacement.make(&[change("a", Some(1)), change("b", Some(2))]).unwrap();
        replacement.finish(mark(2)).unwrap();
        store.follow(&[change("a", None), change("c", Some(3))], mark(4), false).unwrap();
        assert_eq!(store.view().unwrap().count().unwrap(), 2);
        let unfinished = store.replace().unwrap();
        unfinished.make(&[change("d", Some(4))]).unwrap();
        drop(unfinished);
        store.follow(&[], mark(4), true).unwrap();
        drop(store);

        let (store, known) = Store::open_copy(&path, "here").unwrap();
        assert_eq!(known, Some(mark(4)));
        assert!(store.view().unwrap().get(&change("c", None).0).unwrap().is_some());
        drop(store);
        let (store, known) = Store::open_copy(&path, "elsewhere").unwrap();
        assert!(known.is_none() && !store.is_filled());
    }

    #[test]
    fn a_store_of_its_own_is_never_overwritten_and_a_copy_can_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.redb");
        let store = Store::open(&path).unwrap();
        store.apply(&[change("a", Some(1))]).unwrap();
        drop(store);
        let error = format!("{:#}", Store::open_copy(&path, "here").unwrap_err());
        assert!(error.contains("a store of its own"), "{error}");
        assert_eq!(Store::open(&path).unwrap().view().unwrap().count().unwrap(), 1);

        let path = folder.path().join("copy.redb");
        let (store, _) = Store::open_copy(&path, "here").unwrap();
        let replacement = store.replace().unwrap();
        replacement.make(&[change("a", Some(1))]).unwrap();
        replacement.finish(mark(1)).unwrap();
        drop(store);
        assert_eq!(Store::open(&path).unwrap().view().unwrap().count().unwrap(), 1);
        assert!(Store::open_copy(&path, "here").is_err(), "what it was changed to since is nobody else's");
    }

    #[test]
    fn positions_are_written_and_read() {
        let position = Position { revision: 12, nonce: u64::MAX };
        assert_eq!(position.to_string().parse(), Ok(position));
        for text in ["", "1", "1-", "-1", "1-x", "1-2-3"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
