//! A hash that only this instance can compute: its key is made at random and told nobody.

use crate::credentials::Credentials;
use blake2::digest::{KeyInit, Mac};
use blake2::{digest::consts::U32, Blake2bMac};
use plugin_sdk::Error;

/// BLAKE2b with a key (RFC 7693).
pub(crate) struct KeyedHash {
    /// Already fed the key.
    keyed: Blake2bMac<U32>,
}

/// Stands for a name and a password without telling either.
pub(crate) type Fingerprint = [u8; 32];

impl KeyedHash {
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new() -> Result<KeyedHash, Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| Error::unavailable(format!("no random bytes: {error}")))?;
        let keyed = Blake2bMac::new_from_slice(&key).map_err(|error| Error::new(error.to_string()))?;
        Ok(KeyedHash { keyed })
    }

    /// Of name and password together.
    pub(crate) fn of(&self, credentials: &Credentials) -> Fingerprint {
        // A name has no colon, so no other name and password give the same text.
        self.of_parts([credentials.user(), b":", credentials.password()])
    }

    /// Of the name alone: always the same number for the same name.
    pub(crate) fn dice(&self, credentials: &Credentials) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.of_parts([credentials.user(), b"", b""]);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    fn of_parts(&self, parts: [&[u8]; 3]) -> Fingerprint {
        let mut hash = self.keyed.clone();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into_bytes().into()
    }
}
