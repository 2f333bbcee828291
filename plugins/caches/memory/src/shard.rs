//! A part of the entries, behind a lock of its own in the store.

use crate::agenda::{Agenda, Note};
use crate::key::{AlreadyHashed, AnyWith, Asked, Key};
use quick_cache::unsync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use std::sync::Arc;
use std::time::Duration;

/// Entries, which of them to part with when there are too many, and when they expire.
///
/// Moments are nanoseconds since some start, which the caller chooses, so that a test can say what time it is.
pub(crate) struct Shard {
    entries: Cache<Key, Entry, Weigh, AlreadyHashed>,
    agenda: Agenda,
}

#[derive(Debug, Clone)]
struct Entry {
    value: Arc<[u8]>,
    /// The first moment at which it is dead.
    expires_at: u64,
}

const NEVER: u64 = u64::MAX;

/// Bytes spent on an entry beside its key and value: its places in the table, in the queue of the policy and in the
/// agenda, two blocks of the allocator and the value's reference counts. glibc's allocator comes to 230 for short keys and
/// values, with what its growing tables leave behind.
pub(crate) const OVERHEAD: usize = 256;

/// Expired entries that one call removes at most, so that none has to do the work of many.
const SWEPT_AT_ONCE: usize = 8;

/// Counts bytes, and every entry as at least so many that the bound on entries is kept, too.
#[derive(Debug, Clone)]
struct Weigh {
    least: u64,
}

impl Weighter<Key, Entry> for Weigh {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        self.least.max((key.len() + entry.value.len() + OVERHEAD) as u64)
    }
}

impl Shard {
    /// Room for so many entries, at least 16, and bytes, at least as many.
    pub(crate) fn new(entries: usize, bytes: usize) -> Shard {
        let least = (bytes / entries) as u64;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(least * entries as u64)
            .build()
            .expect("both capacities are given");
        let lifecycle = DefaultLifecycle::default();
        let entries = Cache::with_options(options, Weigh { least }, AlreadyHashed::default(), lifecycle);
        Shard { entries, agenda: Agenda::default() }
    }

    /// The value under a key, if there is one that has not expired.
    pub(crate) fn get(&self, key: Asked<'_>, now: u64) -> Option<Arc<[u8]>> {
        self.entries.get(&key).filter(|entry| now < entry.expires_at).map(|entry| Arc::clone(&entry.value))
    }

    /// Replaces what is under the key.
    pub(crate) fn set(&mut self, key: Asked<'_>, value: &[u8], time_to_live: Option<Duration>, now: u64) {
        let expires_at = time_to_live.map_or(NEVER, |time| {
            u64::try_from(time.as_nanos()).map_or(NEVER, |time| now.saturating_add(time))
        });
        self.entries.insert(key.into(), Entry { value: value.into(), expires_at });
        if expires_at != NEVER {
            let entries = &self.entries;
            let note = Note { expires_at, hash: key.hash };
            self.agenda
                .note(note, entries.len(), |note| is_of(note, entries.peek(&AnyWith { hash: note.hash })));
        }
        self.sweep(now);
    }

    /// Removes what is under the key; says whether it was alive.
    pub(crate) fn remove(&mut self, key: Asked<'_>, now: u64) -> bool {
        self.entries.remove(&key).is_some_and(|(_, entry)| now < entry.expires_at)
    }

    /// Whether [`Shard::sweep`] has something to do.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.agenda.is_due(now)
    }

    /// Removes some of the entries that have expired. A fresh one that has replaced such an entry stays.
    pub(crate) fn sweep(&mut self, now: u64) {
        for _ in 0..SWEPT_AT_ONCE {
            let Some(note) = self.agenda.take_due(now) else { return };
            self.entries.remove_if(&AnyWith { hash: note.hash }, |entry| is_of(&note, Some(entry)));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn notes(&self) -> usize {
        self.agenda.len()
    }
}

/// Whether the note was taken of this entry, or of one that expires together with it: then it is as true of that.
fn is_of(note: &Note, entry: Option<&Entry>) -> bool {
    entry.is_some_and(|entry| entry.expires_at == note.expires_at)
}
