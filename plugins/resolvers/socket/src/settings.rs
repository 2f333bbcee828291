//! The operator's settings.

use plugin_sdk::Error;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    path: PathBuf,
    keep_ms: u64,
    timeout_ms: u64,
    longest_pause_ms: u64,
    most_questions: usize,
}

/// Settings that fit.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The daemon's socket.
    pub(crate) path: PathBuf,
    /// How long an answer counts.
    pub(crate) keep: Duration,
    /// What an answer may take.
    pub(crate) timeout: Duration,
    /// What is at most between two attempts to connect.
    pub(crate) longest_pause: Duration,
    /// Questions that are open, and answers that are kept, at most.
    pub(crate) most_questions: usize,
}

/// In milliseconds: an hour.
const LONGEST: u64 = 3_600_000;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            path: PathBuf::new(),
            keep_ms: 50,
            timeout_ms: 500,
            longest_pause_ms: 1_000,
            most_questions: 4_096,
        }
    }
}

impl Settings {
    /// # Errors
    /// [`Error::invalid`] naming the setting, what it is and what it may be.
    pub(crate) fn checked(self) -> Result<Checked, Error> {
        if !self.path.is_absolute() {
            let given = self.path.display();
            return Err(Error::invalid(format!(
                "path: `{given}`; write the absolute path of the daemon's socket (--resolver-socket)"
            )));
        }
        if !(1..=1_000_000).contains(&self.most_questions) {
            let given = self.most_questions;
            return Err(Error::invalid(format!("most-questions: {given}; write 1 to 1000000")));
        }
        Ok(Checked {
            path: self.path,
            keep: milliseconds("keep-ms", self.keep_ms)?,
            timeout: milliseconds("timeout-ms", self.timeout_ms)?,
            longest_pause: milliseconds("longest-pause-ms", self.longest_pause_ms)?,
            most_questions: self.most_questions,
        })
    }
}

fn milliseconds(name: &str, given: u64) -> Result<Duration, Error> {
    if (1..=LONGEST).contains(&given) {
        Ok(Duration::from_millis(given))
    } else {
        Err(Error::invalid(format!("{name}: {given}; write 1 to {LONGEST}")))
    }
}
