//! Decides who is let in: first by what is remembered, then by the hash.

use crate::credentials::Credentials;
use crate::keyed::KeyedHash;
use crate::remembered::Remembered;
use crate::turns::Turns;
use crate::users::Users;
use plugin_sdk::Error;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

pub(crate) struct Gate {
    users: Users,
    keyed: KeyedHash,
    remembered: RwLock<Remembered>,
    turns: Turns,
    started: Instant,
}

/// What the gate says of a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// They are a user's.
    Known,
    /// They are nobody's.
    Unknown,
    /// Too many are being verified to find out.
    Busy,
}

impl Gate {
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new(users: Users, remembered: Remembered, turns: Turns) -> Result<Gate, Error> {
        let remembered = RwLock::new(remembered);
        Ok(Gate { users, keyed: KeyedHash::new()?, remembered, turns, started: Instant::now() })
    }

    /// Blocks for as long as a hash takes, unless the pair is remembered.
    ///
    /// # Errors
    /// If a verification fails for want of memory.
    pub(crate) fn opinion(&self, credentials: &Credentials) -> Result<Opinion, Error> {
        let Some((hash, is_own)) = self.users.hash_of(credentials.user(), self.keyed.dice(credentials))
        else {
            return Ok(Opinion::Unknown);
        };
        let fingerprint = self.keyed.of(credentials);
        // Nothing under the lock can panic half-way, so a poisoned one is as good as any.
        let is_remembered = || {
            let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
            remembered.contains(&fingerprint, self.now())
        };
        if is_remembered() {
            return Ok(Opinion::Known);
        }
        let Some(_turn) = self.turns.wait() else { return Ok(Opinion::Busy) };
        // While this one waited, another request of the same client may have been verified.
        if is_remembered() {
            return Ok(Opinion::Known);
        }
        // Verified in any case: the time it takes must not depend on whether there is such a user.
        let is_verified = hash.verify(credentials.password())?;
        if !(is_verified && is_own) {
            return Ok(Opinion::Unknown);
        }
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        remembered.insert(fingerprint, self.now());
        Ok(Opinion::Known)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
