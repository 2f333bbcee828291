//! Buckets: where records are found by their hash.

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const BUCKET_LENGTH: usize = 64;
/// Slots of a bucket.
pub(crate) const SLOTS: usize = 7;
/// Fewer are used, so that few keys have to go on to the next bucket.
pub(crate) const SLOTS_PLANNED: usize = 5;
/// Files may be so long that 40 bits hold every place in them.
pub(crate) const LONGEST_FILE: u64 = 1 << 40;

const PLACE_BITS: u32 = 40;
const CHECKED: usize = BUCKET_LENGTH - 4;

/// The bucket that a hash belongs into.
pub(crate) fn home(hash: u64, buckets: u64) -> u64 {
    // The upper half of a product of two numbers of 64 bits fits into 64 bits.
    ((u128::from(hash) * u128::from(buckets)) >> 64) as u64
}

/// A slot's content. The lower bits of the hash, as the upper ones chose the bucket.
pub(crate) fn slot(hash: u64, place: u64) -> u64 {
    (hash << PLACE_BITS) | (place & (LONGEST_FILE - 1))
}

/// The place in a slot, if it is of that hash as far as it knows.
pub(crate) fn place(slot: u64, hash: u64) -> Option<u64> {
    (slot >> PLACE_BITS == (hash << PLACE_BITS) >> PLACE_BITS).then_some(slot & (LONGEST_FILE - 1))
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

    pub(crate) fn slots(&self) -> impl Iterator<Item = u64> + 'a {
        let used = usize::from(self.bytes[SLOTS * 8]).min(SLOTS);
        self.bytes.chunks_exact(8).take(used).map(|slot| {
            let mut number = [0; 8];
            number.copy_from_slice(slot);
            u64::from_le_bytes(number)
        })
    }

    /// Whether what belongs here may be in the next one.
    pub(crate) fn goes_on(&self) -> bool {
        self.bytes[SLOTS * 8 + 1] != 0
    }
}

/// A bucket that is being filled.
pub(crate) fn put(bucket: &mut [u8], slot: u64) -> bool {
    let used = usize::from(bucket[SLOTS * 8]);
    if used == SLOTS {
        bucket[SLOTS * 8 + 1] = 1;
        return false;
    }
    bucket[used * 8..][..8].copy_from_slice(&slot.to_le_bytes());
    bucket[SLOTS * 8] += 1;
    true
}

/// Writes the checksum of a full or final bucket.
pub(crate) fn seal(bucket: &mut [u8], number: u64) {
    let checksum = checksum_of(&bucket[..CHECKED], number);
    bucket[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum_of(bytes: &[u8], number: u64) -> u32 {
    // Half of it is enough against accidents.
    xxh3_64_with_seed(bytes, number) as u32
}
