//! Buckets: where records are found by their hash.

use super::record::RECORD_ALIGNMENT;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const BUCKET_LENGTH: usize = 64;
/// Records of a bucket.
pub(crate) const SLOTS: usize = 18;
/// Fewer are used, so that few keys have to go on to the next bucket.
pub(crate) const SLOTS_PLANNED: usize = 12;
/// Files may be so long that 40 bits hold every place in them.
pub(crate) const LONGEST_FILE: u64 = 1 << 40;

const PLACE: usize = 5;
/// Where the count is, whose upper bit says that what belongs here goes on to the next bucket.
const COUNT: usize = PLACE;
const GOES_ON: u8 = 0x80;
const TAGS: usize = COUNT + 1;
const OFFSETS: usize = TAGS + SLOTS;
const CHECKED: usize = OFFSETS + 2 * SLOTS;
const _: () = assert!(CHECKED + 4 == BUCKET_LENGTH);

/// The bucket that a hash belongs into.
pub(crate) fn home(hash: u64, buckets: u64) -> u64 {
    // The upper half of a product of two numbers of 64 bits fits into 64 bits.
    ((u128::from(hash) * u128::from(buckets)) >> 64) as u64
}

/// What a bucket knows of a hash. The lower bits, as the upper ones chose the bucket.
fn tag(hash: u64) -> u8 {
    hash as u8
}

/// A bucket that was read and is whole.
pub(crate) struct Bucket<'a> {
    bytes: &'a [u8; BUCKET_LENGTH],
}

impl<'a> Bucket<'a> {
    /// `None` if it is garbled, or is not the bucket of that number.
    pub(crate) fn read(bytes: &'a [u8; BUCKET_LENGTH], number: u64) -> Option<Bucket<'a>> {
        let (checked, checksum) = bytes.split_at(CHECKED);
        (checksum == checksum_of(checked, number).to_le_bytes()).then_some(Bucket { bytes })
    }

    /// Where records are that may have this hash, as far as the bucket knows.
    pub(crate) fn places(&self, hash: u64) -> impl Iterator<Item = u64> + 'a {
        let bytes = self.bytes;
        let mut place = [0; 8];
        place[..PLACE].copy_from_slice(&bytes[..PLACE]);
        let first = u64::from_le_bytes(place);
        let used = usize::from(bytes[COUNT] & !GOES_ON).min(SLOTS);
        let tags = bytes[TAGS..OFFSETS].iter().take(used).enumerate();
        tags.filter(move |(_, one)| **one == tag(hash)).map(move |(slot, _)| {
            let at = OFFSETS + 2 * slot;
            first + u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])) * RECORD_ALIGNMENT
        })
    }

    /// Whether what belongs here may be in the next one.
    pub(crate) fn goes_on(&self) -> bool {
        self.bytes[COUNT] & GOES_ON != 0
    }
}

/// A bucket that is being filled.
#[derive(Clone, Copy)]
pub(crate) struct Filling {
    count: u8,
    goes_on: bool,
}

impl Filling {
    pub(crate) const EMPTY: Filling = Filling { count: 0, goes_on: false };

    /// Takes a record, or remembers that one had to go on to the next bucket.
    pub(crate) fn take(&mut self) -> bool {
        let has_room = usize::from(self.count) < SLOTS;
        if has_room {
            self.count += 1;
        } else {
            self.goes_on = true;
        }
        has_room
    }

    /// How many it took.
    pub(crate) fn count(self) -> usize {
        usize::from(self.count)
    }

    /// The bytes of the bucket with that number; `records` are the hashes and places of those that it took, in the order of their places.
    pub(crate) fn to_bytes(self, number: u64, records: &[(u64, u64)]) -> [u8; BUCKET_LENGTH] {
        let mut bytes = [0; BUCKET_LENGTH];
        let first = records.first().map_or(0, |(_, place)| *place);
        bytes[..PLACE].copy_from_slice(&first.to_le_bytes()[..PLACE]);
        bytes[COUNT] = self.count | if self.goes_on { GOES_ON } else { 0 };
        for (slot, (hash, place)) in records.iter().enumerate() {
            bytes[TAGS + slot] = tag(*hash);
            // Less than 18 records of 7.4 kB each.
            let offset = ((place - first) / RECORD_ALIGNMENT) as u16;
            bytes[OFFSETS + 2 * slot..][..2].copy_from_slice(&offset.to_le_bytes());
        }
        let checksum = checksum_of(&bytes[..CHECKED], number);
        bytes[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

fn checksum_of(bytes: &[u8], number: u64) -> u32 {
    // Half of it is enough against accidents.
    xxh3_64_with_seed(bytes, number) as u32
}
