//! All entries, in shards that do not wait for each other.

use crate::key::Asked;
use crate::settings::Bounds;
use crate::shard::{Shard, OVERHEAD};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Values by key. Which shard a key belongs to only this process knows, so that nobody can aim at one.
pub(crate) struct Store {
    /// A power of two of them.
    shards: Box<[RwLock<Shard>]>,
    hash: RandomState,
    /// Bytes that key and value may have together.
    most_bytes: usize,
}

/// Entries below which a shard is not worth its lock.
const ENTRIES_IN_SHARD: usize = 64;
/// Bytes below which a shard keeps out values of ordinary size.
const BYTES_IN_SHARD: usize = 1 << 20;
/// Shards for each processor, so that two seldom meet.
const SHARDS_FOR_CORE: usize = 4;

/// Key and value have more bytes together than the cache keeps under one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    given: usize,
    most: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLarge { given, most } = self;
        write!(
            f,
            "key and value have {given} bytes together, at most {most} are kept; raise the setting bytes"
        )
    }
}

impl Store {
    /// A store within these bounds, on a machine with so many processors.
    pub(crate) fn new(bounds: Bounds, cores: usize) -> Store {
        let worth = (bounds.entries / ENTRIES_IN_SHARD).min(bounds.bytes / BYTES_IN_SHARD).max(1);
        // Rounded down, so that neither bound is exceeded by what is rounded up elsewhere.
        let count = 1 << (cores * SHARDS_FOR_CORE).min(worth).ilog2();
        let (entries, bytes) = (bounds.entries / count, bounds.bytes / count);
        Store {
            shards: (0..count).map(|_| RwLock::new(Shard::new(entries, bytes))).collect(),
            hash: RandomState::new(),
            // The eviction policy takes in nothing above 0.97 of a shard.
            most_bytes: (bytes - bytes / 16).saturating_sub(OVERHEAD),
        }
    }

    /// How many locks there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The live value under a key.
    pub(crate) fn get(&self, key: &[u8], now: u64) -> Option<Arc<[u8]>> {
        let (shard, key) = self.find(key);
        let (value, is_due) = {
            let shard = read(shard);
            (shard.get(key, now), shard.is_due(now))
        };
        // Not worth waiting: whoever holds the lock sweeps, or a later call does.
        if is_due {
            if let Ok(mut shard) = shard.try_write() {
                shard.sweep(now);
            }
        }
        value
    }

    /// Stores a value, `None` for ever. One that is too large is not stored, and what it should replace is gone.
    pub(crate) fn set(
        &self,
        key: &[u8],
        value: &[u8],
        time_to_live: Option<Duration>,
        now: u64,
    ) -> Result<(), TooLarge> {
        let given = key.len() + value.len();
        let (shard, key) = self.find(key);
        let mut shard = write(shard);
        if given > self.most_bytes {
            shard.remove(key, now);
            return Err(TooLarge { given, most: self.most_bytes });
        }
        shard.set(key, value, time_to_live, now);
        Ok(())
    }

    /// Removes a key; says whether it had a live value.
    pub(crate) fn remove(&self, key: &[u8], now: u64) -> bool {
        let (shard, key) = self.find(key);
        write(shard).remove(key, now)
    }

    fn find<'a>(&self, bytes: &'a [u8]) -> (&RwLock<Shard>, Asked<'a>) {
        let hash = self.hash.hash_one(bytes);
        // The tables within a shard use the lowest and the highest bits.
        let shard = (hash >> 32) as usize & (self.shards.len() - 1);
        (&self.shards[shard], Asked { hash, bytes })
    }
}

/// Nothing under the lock can panic half-way, so a poisoned one is as good as any; so for both.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
