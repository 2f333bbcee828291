//! Writes a table.

use super::bucket::{self, Filling, BUCKET_LENGTH, LONGEST_FILE, SLOTS_PLANNED};
use super::header::{Header, HEADER_LENGTH};
use super::record::{push_record, seal_record};
use crate::entry::Upstreams;
use crate::pattern::Pattern;
use std::io::{self, Seek, SeekFrom, Write};
use xxhash_rust::xxh3::{xxh3_64_with_seed, Xxh3};

/// Collects entries, and writes them as a table. Until then it needs as much memory as the table will have bytes, and 24 more for each entry.
pub struct Builder<W> {
    file: W,
    purpose: Purpose,
    /// As they came, each at a multiple of [`RECORD_ALIGNMENT`](super::record::RECORD_ALIGNMENT).
    records: Vec<u8>,
    /// The hash of each, and where it is in `records`.
    entries: Vec<(u64, usize)>,
    with_upstreams: u64,
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
    /// Begins a table that will be written to the beginning of `file`, which is empty and better buffered.
    pub fn new(file: W, purpose: Purpose) -> Builder<W> {
        let (records, entries) = (Vec::new(), Vec::new());
        Builder { file, purpose, records, entries, with_upstreams: 0, wildcards: 0 }
    }

    /// Adds an entry, or, with `None`, that there is none. Each pattern comes once.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`].
    pub fn add(&mut self, pattern: &Pattern, upstreams: Option<&Upstreams>) -> Result<(), BuildError> {
        let key = pattern.key();
        self.entries.push((xxh3_64_with_seed(key, self.purpose.seed), self.records.len()));
        push_record(&mut self.records, key, upstreams.map_or(&[], |upstreams| upstreams));
        if (HEADER_LENGTH + self.records.len()) as u64 >= LONGEST_FILE {
            return Err(BuildError::TooLarge);
        }
        self.with_upstreams += u64::from(upstreams.is_some());
        if key.first() == Some(&b'.') {
            self.wildcards |= 1 << dots(key).min(127);
        }
        Ok(())
    }

    /// Writes the table. The file is flushed and not synced.
    ///
    /// # Errors
    /// If the file does not take it.
    pub fn finish(mut self) -> Result<(W, Made), BuildError> {
        self.file.write_all(&[0; HEADER_LENGTH])?;
        let mut body = Body { file: &mut self.file, at: HEADER_LENGTH as u64, checksum: Xxh3::new() };
        let (buckets, order) = distribute(&self.entries);
        let mut contents = Vec::with_capacity(buckets.len() * BUCKET_LENGTH);
        let mut left = order.as_slice();
        let mut there = Vec::new();
        for (number, bucket) in buckets.iter().enumerate() {
            let (here, rest) = left.split_at(bucket.count());
            left = rest;
            there.clear();
            for entry in here {
                let (hash, start) = self.entries[*entry];
                there.push((hash, body.at));
                body.write(seal_record(&mut self.records[start..], body.at))?;
            }
            contents.extend(bucket.to_bytes(number as u64, &there));
        }
        let buckets_at = body.at.next_multiple_of(BUCKET_LENGTH as u64);
        body.write(&[0; BUCKET_LENGTH][..(buckets_at - body.at) as usize])?;
        body.write(&contents)?;
        let header = Header {
            id: self.purpose.id,
            base: self.purpose.base,
            generation: self.purpose.generation,
            seed: self.purpose.seed,
            entries: self.with_upstreams,
            removals: self.entries.len() as u64 - self.with_upstreams,
            wildcards: self.wildcards,
            buckets: buckets.len() as u64,
            buckets_at,
            length: body.at,
            body_checksum: body.checksum.digest(),
        };
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header.to_bytes())?;
        self.file.flush()?;
        Ok((self.file, Made { header }))
    }
}

/// What is behind the header.
struct Body<'a, W> {
    file: &'a mut W,
    at: u64,
    checksum: Xxh3,
}

impl<W: Write> Body<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.checksum.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// The buckets of these entries, and the numbers of the entries in the order in which the buckets take them.
fn distribute(entries: &[(u64, usize)]) -> (Vec<Filling>, Vec<usize>) {
    let count = entries.len() / SLOTS_PLANNED + 1;
    let mut buckets = vec![Filling::EMPTY; count];
    let taken_by: Vec<_> = entries
        .iter()
        .map(|(hash, _)| {
            // There is more room than entries, so the walk ends.
            let mut number = bucket::home(*hash, count as u64) as usize;
            while !buckets[number].take() {
                number = (number + 1) % count;
            }
            number
        })
        .collect();
    let mut order: Vec<_> = (0..entries.len()).collect();
    order.sort_by_key(|entry| taken_by[*entry]);
    (buckets, order)
}

/// How many dots a key has.
pub(crate) fn dots(key: &[u8]) -> usize {
    key.iter().filter(|byte| **byte == b'.').count()
}
