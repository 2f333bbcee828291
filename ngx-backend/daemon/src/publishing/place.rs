//! The folder that is published to.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::Context;
use backend_map::{Access, BaseWriter, NewBase, Publisher, Tables};
use rustix::fs::FlockOperation;

use super::BaseError;
use crate::store::{Store, View};
use crate::tally::Tally;

/// Keeps other daemons from publishing to the same folder, as long as it lives.
///
/// # Errors
/// If another one does.
pub(crate) fn lock(folder: &Path) -> anyhow::Result<File> {
    let file = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .with_context(|| format!("another daemon publishes to {}", folder.display()))?;
    Ok(file)
}

/// Where it is published, and for whom.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) access: Access,
}

impl Place {
    /// Whether there is a table in it that can be read.
    pub(crate) fn has_table(&self) -> bool {
        Tables::load(&self.folder, None).is_ok()
    }

    /// Publishes all that the store has, as a base; gives the count of entries, too.
    pub(super) fn publish_all(&self, store: &Store, tally: &Tally) -> Result<(Publisher, u64), BaseError> {
        let mut publisher = Publisher::open(&self.folder, self.access)?;
        let base = fill(publisher.new_base()?, &store.view()?)?;
        let entries = base.entries();
        let published = publisher.publish(Some(base), [])?;
        tally.generation.store(published.generation, Ordering::Relaxed);
        tally.delta.store(0, Ordering::Relaxed);
        Ok((publisher, entries))
    }
}

/// Writes all entries into a base.
pub(super) fn fill(mut base: BaseWriter, view: &View) -> Result<NewBase, BaseError> {
    let mut outcome = Ok(());
    view.walk(None, |entry| {
        outcome = base.add(&entry.pattern, &entry.upstreams);
        outcome.is_ok()
    })?;
    outcome?;
    Ok(base.finish()?)
}
