//! Writes a table.

use super::bucket::{self, BUCKET_LENGTH, LONGEST_FILE, SLOTS_PLANNED};
use super::header::{Header, HEADER_LENGTH};
use super::record::write_record;
use crate::entry::Upstreams;
use crate::pattern::Pattern;
use std::io::{self, Seek, SeekFrom, Write};
use xxhash_rust::xxh3::{xxh3_64_with_seed, Xxh3};

/// Writes the table while its entries come in; needs 16 bytes of memory for each, and at the end 13 more.
pub struct Builder<W> {
    file: W,
    purpose: Purpose,
    /// Hashes, and where their records are.
    slots: Vec<(u64, u64)>,
    at: u64,
    checksum: Xxh3,
    record: Vec<u8>,
    entries: u64,
    wildcards: u128,
}

/// What a table is for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// See [`Header::id`].
    pub id: u64,
    /// See [`Header::base`].
    pub base: u64,
    /// See [`Header::generation`].
    pub generation: u64,
    /// See [`Header::seed`].
    pub seed: u64,
}

/// A table that was written.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// What it says of itself.
    pub header: Header,
}

/// Why a table was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The file did not take it.
    #[error("cannot write the table")]
    Write(#[from] io::Error),
    /// More than places have bits for.
    #[error("the table would be larger than {LONGEST_FILE} bytes")]
    TooLarge,
}

impl<W: Write + Seek> Builder<W> {
    /// Begins a table at the beginning of `file`, which is empty and better buffered.
    ///
    /// # Errors
    /// If it cannot be written to.
    pub fn new(mut file: W, purpose: Purpose) -> Result<Builder<W>, BuildError> {
        file.write_all(&[0; HEADER_LENGTH])?;
        Ok(Builder {
            file,
            purpose,
            slots: Vec::new(),
            at: HEADER_LENGTH as u64,
            checksum: Xxh3::new(),
            record: Vec::new(),
            entries: 0,
            wildcards: 0,
        })
    }

    /// Adds an entry, or, with `None`, that there is none. Each pattern comes once.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn add(&mut self, pattern: &Pattern, upstreams: Option<&Upstreams>) -> Result<(), BuildError> {
        let key = pattern.key();
        self.record.clear();
        write_record(&mut self.record, self.at, key, upstreams.map_or(&[], |upstreams| upstreams));
        if self.at + self.record.len() as u64 >= LONGEST_FILE {
            return Err(BuildError::TooLarge);
        }
        self.slots.push((xxh3_64_with_seed(key, self.purpose.seed), self.at));
        self.file.write_all(&self.record)?;
        self.checksum.update(&self.record);
        self.at += self.record.len() as u64;
        self.entries += u64::from(upstreams.is_some());
        if key.first() == Some(&b'.') {
            self.wildcards |= 1 << dots(key).min(127);
        }
        Ok(())
    }

    /// Writes the buckets and the header. The file is flushed and not synced.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn finish(mut self) -> Result<(W, Made), BuildError> {
        let padding = vec![0; (BUCKET_LENGTH - (self.at % BUCKET_LENGTH as u64) as usize) % BUCKET_LENGTH];
        self.file.write_all(&padding)?;
        self.checksum.update(&padding);
        let buckets_at = self.at + padding.len() as u64;
        let buckets = fill(&self.slots);
        self.file.write_all(&buckets)?;
        self.checksum.update(&buckets);
        let header = Header {
            id: self.purpose.id,
            base: self.purpose.base,
            generation: self.purpose.generation,
            seed: self.purpose.seed,
            entries: self.entries,
            removals: self.slots.len() as u64 - self.entries,
            wildcards: self.wildcards,
            buckets: (buckets.len() / BUCKET_LENGTH) as u64,
            buckets_at,
            length: buckets_at + buckets.len() as u64,
            body_checksum: self.checksum.digest(),
        };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header.to_bytes())?;
        self.file.flush()?;
        Ok((self.file, Made { header }))
    }
}

/// How many dots a key has.
pub(crate) fn dots(key: &[u8]) -> usize {
    key.iter().filter(|byte| **byte == b'.').count()
}

/// The buckets of these hashes and places.
fn fill(slots: &[(u64, u64)]) -> Vec<u8> {
    let count = slots.len() / SLOTS_PLANNED + 1;
    let mut buckets = vec![0; count * BUCKET_LENGTH];
    for (hash, place) in slots {
        // There are more slots than records, so the walk ends.
        let mut number = bucket::home(*hash, count as u64) as usize;
        while !bucket::put(
            &mut buckets[number * BUCKET_LENGTH..][..BUCKET_LENGTH],
            bucket::slot(*hash, *place),
        ) {
            number = (number + 1) % count;
        }
    }
    for (number, bucket) in buckets.chunks_exact_mut(BUCKET_LENGTH).enumerate() {
        bucket::seal(bucket, number as u64);
    }
    buckets
}
