//! The first 192 bytes of a table.

use xxhash_rust::xxh3::xxh3_64;

/// The version of the format that is written and read.
pub const FORMAT_VERSION: u32 = 2;

pub(crate) const HEADER_LENGTH: usize = 192;
const MAGIC: [u8; 8] = *b"DYNBMAP\n";
const BYTE_ORDER: u32 = 0x0102_0304;

/// What a table says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// A number that the tables of one folder do not share.
    pub id: u64,
    /// The table whose entries this one changes; 0 if it stands for itself.
    pub base: u64,
    /// Counts what was published, from 1.
    pub generation: u64,
    /// What hashes of keys are seeded with; that of the base in a delta.
    pub seed: u64,
    /// Records that have upstreams.
    pub entries: u64,
    /// Records that have none.
    pub removals: u64,
    /// Bit `n` is set if there is a wildcard with `n` dots, its first among them; so that no other suffix need be looked up.
    pub wildcards: u128,
    pub(crate) buckets: u64,
    pub(crate) buckets_at: u64,
    pub(crate) length: u64,
    /// XXH3-64 of all behind the header.
    pub(crate) body_checksum: u64,
}

/// Why the first bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Short,
    Magic,
    ByteOrder,
    Version(u32),
    Checksum,
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH);
        bytes.extend(MAGIC);
        bytes.extend(BYTE_ORDER.to_le_bytes());
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        for number in [self.id, self.base, self.generation, self.seed, self.entries, self.removals] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.wildcards.to_le_bytes());
        for number in [self.buckets, self.buckets_at, self.length, self.body_checksum] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.resize(HEADER_LENGTH - 8, 0);
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        let mut header = [0; HEADER_LENGTH];
        header.copy_from_slice(&bytes);
        header
    }

    /// Looks at the magic first and at the version before the checksum, so that the reason given is the one that helps.
    pub(crate) fn read(file: &[u8]) -> Result<Header, HeaderError> {
        let bytes = file.get(..HEADER_LENGTH).ok_or(HeaderError::Short)?;
        let mut fields = Fields { bytes };
        if fields.take::<8>() != MAGIC {
            return Err(HeaderError::Magic);
        }
        if u32::from_le_bytes(fields.take()) != BYTE_ORDER {
            return Err(HeaderError::ByteOrder);
        }
        match u32::from_le_bytes(fields.take()) {
            FORMAT_VERSION => {}
            version => return Err(HeaderError::Version(version)),
        }
        let header = Header {
            id: fields.number(),
            base: fields.number(),
            generation: fields.number(),
            seed: fields.number(),
            entries: fields.number(),
            removals: fields.number(),
            wildcards: u128::from_le_bytes(fields.take()),
            buckets: fields.number(),
            buckets_at: fields.number(),
            length: fields.number(),
            body_checksum: fields.number(),
        };
        // Whole and unchanged, the padding among it, if it is what would be written.
        if header.to_bytes() != bytes {
            return Err(HeaderError::Checksum);
        }
        Ok(header)
    }
}

/// Reads from the front; zeroes where there is nothing more.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        if let (Some(front), Some(rest)) = (self.bytes.get(..N), self.bytes.get(N..)) {
            field.copy_from_slice(front);
            self.bytes = rest;
        }
        field
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
