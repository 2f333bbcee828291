//! Who is let in.

use crate::hash::Hash;
use std::collections::HashMap;

/// Users and the hashes of their passwords.
#[derive(Debug, Default)]
pub(crate) struct Users {
    hashes: Vec<Hash>,
    /// Places in `hashes`.
    by_name: HashMap<Vec<u8>, usize>,
}

impl Users {
    /// Takes a user in.
    ///
    /// # Errors
    /// What is wrong with the name or the hash.
    pub(crate) fn add(&mut self, name: &str, hash: &str) -> Result<(), String> {
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            return Err(
                "is no name; it must not be empty, nor contain a colon or a control character".to_owned()
            );
        }
        let hash = Hash::parse(hash)?;
        if self.by_name.insert(name.as_bytes().to_vec(), self.hashes.len()).is_some() {
            return Err("stands there twice; remove one".to_owned());
        }
        self.hashes.push(hash);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The hash to verify against, and whether it is that user's own: for a name that is not known it is another's, chosen by
    /// `dice`, so that the time it takes tells nobody which names there are. `None` if there are no users.
    pub(crate) fn hash_of(&self, name: &[u8], dice: u64) -> Option<(&Hash, bool)> {
        match self.by_name.get(name) {
            Some(index) => Some((&self.hashes[*index], true)),
            None => {
                let index = dice.checked_rem(self.hashes.len() as u64)?;
                Some((&self.hashes[index as usize], false))
            }
        }
    }
}
