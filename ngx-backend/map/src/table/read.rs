//! Reads a table from its bytes, whatever they are.

use super::bucket::{self, Bucket, BUCKET_LENGTH};
use super::build::dots;
use super::header::{Header, HeaderError, FORMAT_VERSION, HEADER_LENGTH};
use super::record::Record;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A table over bytes that may be a mapping.
#[derive(Debug)]
pub struct Table<B> {
    bytes: B,
    header: Header,
}

/// Why bytes are no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not even a header.
    #[error("it has {0} bytes, fewer than a header ({HEADER_LENGTH}); it was truncated or is none")]
    Short(usize),
    /// It begins otherwise.
    #[error("it does not begin as a table does")]
    Magic,
    /// A machine of the other byte order wrote it.
    #[error("its numbers are in another byte order")]
    ByteOrder,
    /// Another version of the format.
    #[error("it has format version {0}, this program reads {FORMAT_VERSION}; let both be of one release")]
    Version(u32),
    /// A header that was changed.
    #[error("its header is garbled")]
    HeaderChecksum,
    /// Longer or shorter than its header says.
    #[error("it has {found} bytes, its header says {said}; it was truncated or appended to")]
    Length {
        /// The bytes there are.
        found: u64,
        /// What the header says.
        said: u64,
    },
    /// A header that contradicts itself, with its checksum right.
    #[error("the parts that its header names do not fit into it")]
    Layout,
    /// What is behind the header was changed.
    #[error("it is garbled behind its header")]
    BodyChecksum,
}

/// Something in a table is garbled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table is garbled at byte {place}")]
pub struct Damage {
    /// Where.
    pub place: u64,
}

impl<B: AsRef<[u8]>> Table<B> {
    /// Looks at the header, in a time that does not depend on the size.
    ///
    /// # Errors
    /// [`OpenError`]; never [`OpenError::BodyChecksum`], for which there is [`Table::verify`].
    pub fn open(bytes: B) -> Result<Table<B>, OpenError> {
        let file = bytes.as_ref();
        let header = Header::read(file).map_err(|error| match error {
            HeaderError::Short => OpenError::Short(file.len()),
            HeaderError::Magic => OpenError::Magic,
            HeaderError::ByteOrder => OpenError::ByteOrder,
            HeaderError::Version(version) => OpenError::Version(version),
            HeaderError::Checksum => OpenError::HeaderChecksum,
        })?;
        if header.length != file.len() as u64 {
            return Err(OpenError::Length { found: file.len() as u64, said: header.length });
        }
        let ends_there = header
            .buckets
            .checked_mul(BUCKET_LENGTH as u64)
            .and_then(|length| length.checked_add(header.buckets_at))
            == Some(header.length);
        if !ends_there || header.buckets == 0 || header.buckets_at < HEADER_LENGTH as u64 {
            return Err(OpenError::Layout);
        }
        Ok(Table { bytes, header })
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Looks at every byte, in about a second for 8 GiB in memory.
    ///
    /// # Errors
    /// [`OpenError::BodyChecksum`].
    pub fn verify(&self) -> Result<(), OpenError> {
        let body = self.bytes.as_ref().get(HEADER_LENGTH..).unwrap_or_default();
        if xxh3_64(body) == self.header.body_checksum {
            Ok(())
        } else {
            Err(OpenError::BodyChecksum)
        }
    }

    /// The record of a key.
    ///
    /// # Errors
    /// If it is not known whether there is one, because the table is garbled where it would be.
    pub fn find(&self, key: &[u8]) -> Result<Option<Record<'_>>, Damage> {
        self.find_hashed(key, xxh3_64_with_seed(key, self.header.seed))
    }

    pub(crate) fn find_hashed(&self, key: &[u8], hash: u64) -> Result<Option<Record<'_>>, Damage> {
        let file = self.bytes.as_ref();
        let mut number = bucket::home(hash, self.header.buckets);
        for _ in 0..self.header.buckets {
            let place = self.header.buckets_at + number * BUCKET_LENGTH as u64;
            let bucket = bucket_at(file, place, number).ok_or(Damage { place })?;
            for place in bucket.places(hash) {
                let record = Record::read(file, place).ok_or(Damage { place })?;
                if record.key() == key {
                    return Ok(Some(record));
                }
            }
            if !bucket.goes_on() {
                return Ok(None);
            }
            number = (number + 1) % self.header.buckets;
        }
        Ok(None)
    }

    /// Whether it has no records at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.header.entries == 0 && self.header.removals == 0
    }

    /// Whether a wildcard of this suffix may be there.
    pub(crate) fn may_have_wildcard(&self, suffix: &[u8]) -> bool {
        self.header.wildcards != 0 && self.header.wildcards >> dots(suffix).min(127) & 1 == 1
    }
}

fn bucket_at(file: &[u8], place: u64, number: u64) -> Option<Bucket<'_>> {
    let start = usize::try_from(place).ok()?;
    let bytes = file.get(start..start.checked_add(BUCKET_LENGTH)?)?;
    Bucket::read(bytes.try_into().ok()?, number)
}
