//! Keys that are hashed once, though several tables look for them.

use quick_cache::Equivalent;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    hash: u64,
    bytes: Box<[u8]>,
}

/// A key that is asked for. The hash belongs to the bytes; the store makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) hash: u64,
    pub(crate) bytes: &'a [u8],
}

/// Any key with this hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnyWith {
    pub(crate) hash: u64,
}

impl Key {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Asked<'_>> for Key {
    fn from(asked: Asked<'_>) -> Key {
        Key { hash: asked.hash, bytes: asked.bytes.into() }
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && *self.bytes == *key.bytes
    }
}

impl Equivalent<Key> for AnyWith {
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl Hash for AnyWith {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

/// Takes the hash that a key has already.
pub(crate) type AlreadyHashed = BuildHasherDefault<Passed>;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("keys pass one number");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
