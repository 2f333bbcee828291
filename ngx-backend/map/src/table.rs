//! The table in a file, laid out so that a mapping of it is looked up in as it is.
//!
//! All numbers are little-endian. Behind the [header](Header) come the records, each at a multiple of 8, and those of one bucket beside each
//! other; then, aligned to 64 bytes, the buckets:
//!
//! | Part | Content |
//! | --- | --- |
//! | bucket | 5 bytes place of its first record in the file, `u8` count of records (and 128 if what belongs here went on to the next bucket), 18 times `u8` of the record's hash, 18 times `u16` offset from the first record in units of 8 bytes, `u32` checksum |
//! | record | `u32` checksum, `u16` length of what follows, `u8` length of the key, key, `u8` count of upstreams, upstreams |
//! | upstream | `u16` weight, `u8` kind; 4: `u16` port, 4 bytes; 6: `u16` port, 16 bytes; 1: `u8` length, path |
//!
//! A key is a host (`a.example.com`), a suffix with its dot for a wildcard (`.example.com`), or empty for all other hosts. Its hash is XXH3-64
//! with the table's seed; it belongs into bucket `hash * buckets / 2^64`, or the next ones that have room. A bucket is one line of the
//! processor's cache, and so full that the buckets of a million hosts (5.3 bytes each) stay there: a lookup then costs one read of memory, for the record.
//!
//! A record without upstreams hides what another table (the base of a delta) has under its key.
//!
//! Every read is checked against the file's length, and every bucket and record against its checksum when it is read, seeded with its place: a
//! garbled file gives errors, never another host's upstreams.

mod bucket;
mod build;
mod header;
mod read;
mod record;

pub use build::{BuildError, Builder, Made, Purpose};
pub use header::{Header, FORMAT_VERSION};
pub use read::{Damage, OpenError, Table};
pub use record::{Found, FoundAddress, FoundUpstream, Record};

pub(crate) use record::{read_upstreams, write_upstreams};
