//! What the operator can set, and what of it is refused.

use plugin_sdk::Error;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The settings as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    entries: usize,
    bytes: usize,
}

/// What is never exceeded, neither of both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    /// With what is spent on keeping an entry.
    pub(crate) bytes: usize,
}

const ENTRIES: RangeInclusive<usize> = 16..=1 << 28;
const BYTES: RangeInclusive<usize> = 64 << 10..=1 << 40;

impl Default for Settings {
    fn default() -> Settings {
        Settings { entries: 65_536, bytes: 64 << 20 }
    }
}

impl Settings {
    /// The bounds.
    ///
    /// # Errors
    /// [`Error::invalid`] naming the setting and what is accepted.
    pub(crate) fn bounds(&self) -> Result<Bounds, Error> {
        for (name, given, accepted) in [("entries", self.entries, ENTRIES), ("bytes", self.bytes, BYTES)] {
            if !accepted.contains(&given) {
                let (least, most) = accepted.into_inner();
                return Err(Error::invalid(format!("{name}: {given}; write {least} to {most}")));
            }
        }
        Ok(Bounds { entries: self.entries, bytes: self.bytes })
    }
}
