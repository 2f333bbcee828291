//! A base and the delta that changes it: what was published at one moment.

use crate::host::Host;
use crate::mapping::Mapping;
use crate::table::{Damage, Found, OpenError, Table};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The name of the delta, whose replacement is what publishes.
pub(crate) const DELTA: &str = "delta";
/// Tables up to this size are looked at byte for byte when they are opened, which takes about a millisecond; of larger ones each part when it is read.
const VERIFIED_AT_ONCE: u64 = 8 << 20;
/// How often a delta is read again because its base was replaced meanwhile.
const ATTEMPTS: u32 = 5;

/// What was published at one moment, mapped.
#[derive(Debug)]
pub struct Tables {
    base: Arc<Table<Mapping>>,
    delta: Table<Mapping>,
}

/// Why there is nothing to look up in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file cannot be opened or mapped.
    #[error("cannot open {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no table.
    #[error("{path} cannot be used: {source}")]
    Table {
        /// Which.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The two do not belong together.
    #[error("{delta} does not belong to {base}")]
    Mismatch {
        /// What changes.
        delta: PathBuf,
        /// What is changed.
        base: PathBuf,
    },
}

/// The name of the base with that number.
pub(crate) fn base_name(id: u64) -> String {
    format!("base-{id:016x}")
}

impl Tables {
    /// Maps what is published in a folder. Keeps the base of `previous` where it is still the same.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(directory: &Path, previous: Option<&Tables>) -> Result<Tables, LoadError> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            let last = attempts.next() == Some(ATTEMPTS);
            match load_once(directory, previous) {
                // The base of the delta we read was replaced before we came to it; so there is another delta.
                Err(LoadError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound && !last => {}
                outcome => return outcome,
            }
        }
    }

    /// The upstreams of a host: its own, else those of the longest wildcard, else those of all hosts.
    ///
    /// # Errors
    /// If the tables are garbled where it would be.
    pub fn find(&self, host: &Host) -> Result<Option<Found<'_>>, Damage> {
        if let Some(found) = self.find_key(host.as_bytes())? {
            return Ok(Some(found));
        }
        self.find_beyond(host)
    }

    /// What is for a host that has no entry of its own.
    fn find_beyond(&self, host: &Host) -> Result<Option<Found<'_>>, Damage> {
        for suffix in host.suffixes() {
            if self.delta.may_have_wildcard(suffix) || self.base.may_have_wildcard(suffix) {
                if let Some(found) = self.find_key(suffix)? {
                    return Ok(Some(found));
                }
            }
        }
        self.find_key(b"")
    }

    /// The same for a host as a client has written it; what is no host has no upstreams. Faster where it is written as its key is, as nearly all
    /// are: then nothing else is made of it.
    ///
    /// # Errors
    /// If the tables are garbled where it would be.
    pub fn find_text(&self, text: &[u8]) -> Result<Option<Found<'_>>, Damage> {
        // Keys that begin otherwise are not those of hosts.
        let own = text.first().is_some_and(|first| *first != b'.').then(|| self.find_key(text));
        if let Some(Ok(Some(found))) = own {
            return Ok(Some(found));
        }
        match (Host::parse(text), own) {
            (Err(_), _) => Ok(None),
            (Ok(host), Some(own)) if host.as_bytes() == text => {
                own?;
                self.find_beyond(&host)
            }
            (Ok(host), _) => self.find(&host),
        }
    }

    /// Counts publications.
    pub fn generation(&self) -> u64 {
        self.delta.header().generation
    }

    /// Records of the base and of the delta.
    pub fn sizes(&self) -> (u64, u64) {
        let records = |table: &Table<Mapping>| table.header().entries + table.header().removals;
        (records(&self.base), records(&self.delta))
    }

    fn find_key(&self, key: &[u8]) -> Result<Option<Found<'_>>, Damage> {
        let hash = xxh3_64_with_seed(key, self.base.header().seed);
        // Mostly there are no changes; then there is nothing to be read.
        let changed = if self.delta.is_empty() { None } else { self.delta.find_hashed(key, hash)? };
        let record = match changed {
            Some(record) => Some(record),
            None => self.base.find_hashed(key, hash)?,
        };
        Ok(record.and_then(|record| record.upstreams()))
    }
}

fn load_once(directory: &Path, previous: Option<&Tables>) -> Result<Tables, LoadError> {
    let delta_path = directory.join(DELTA);
    let delta = open(&delta_path)?;
    let id = delta.header().base;
    let base_path = directory.join(base_name(id));
    let base = match previous {
        Some(previous) if previous.base.header().id == id => Arc::clone(&previous.base),
        _ => Arc::new(open(&base_path)?),
    };
    if base.header().id != id || base.header().seed != delta.header().seed {
        return Err(LoadError::Mismatch { delta: delta_path, base: base_path });
    }
    Ok(Tables { base, delta })
}

fn open(path: &Path) -> Result<Table<Mapping>, LoadError> {
    let mapping = File::open(path)
        .and_then(|file| Mapping::of(&file))
        .map_err(|source| LoadError::File { path: path.to_owned(), source })?;
    let size = mapping.as_ref().len() as u64;
    Table::open(mapping)
        .and_then(|table| if size <= VERIFIED_AT_ONCE { table.verify().map(|()| table) } else { Ok(table) })
        .map_err(|source| LoadError::Table { path: path.to_owned(), source })
}
