//! Observations of earlier runs, so that only what has changed is looked at again.
//!
//! What was seen is remembered under the digests of everything that took part. Callers keep only what was expected, so that a
//! surprise is always looked at afresh.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;
use crate::build::sha256;
use crate::cache_use::mark_used;

/// What is known of one place, keyed by what was looked at there.
pub(crate) struct Memory<T> {
    file: PathBuf,
    known: BTreeMap<String, T>,
}

impl<T: Clone + Serialize + DeserializeOwned> Memory<T> {
    /// What is known of `place`, which names all that observations there have in common; an unreadable file counts as nothing known.
    pub(crate) fn recall(cache: &Path, place: &str) -> Memory<T> {
        let file = cache.join("observations").join(format!("{}.json", sha256(place.as_bytes())));
        mark_used(&file);
        let known =
            fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Memory { file, known }
    }

    /// What was seen of `subject`.
    pub(crate) fn of(&self, subject: &str) -> Option<&T> {
        self.known.get(subject)
    }

    /// Remembers what was seen of `subject`.
    pub(crate) fn keep(&mut self, subject: String, observed: &T) {
        self.known.insert(subject, observed.clone());
    }

    /// Writes it down for the next run.
    pub(crate) fn save(&self) -> Result<()> {
        atomic::write(&self.file, &serde_json::to_vec(&self.known)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_known_in_its_place_alone() {
        let cache = tempfile::tempdir().unwrap();
        let mut memory = Memory::recall(cache.path(), "here");
        memory.keep("plugin".to_owned(), &1);
        memory.save().unwrap();
        let known = |place| Memory::<i32>::recall(cache.path(), place).of("plugin").copied();
        assert_eq!((known("here"), known("there")), (Some(1), None));
        // Of another shape, as after a change of this program.
        assert_eq!(Memory::<String>::recall(cache.path(), "here").of("plugin"), None);
    }
}
