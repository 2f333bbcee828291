//! What was seen: how far a server came, and how it ended.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use serde::Serialize;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The program is executed.
    Start,
    /// It says where it listens.
    Listen,
    /// It says that it loaded each plugin from its file.
    Load,
    /// It answers.
    Request,
    /// It says that it has done what a signal told it to.
    Signal,
    /// It ends when it is told to.
    Stop,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It came through every stage.
    Works,
    /// It serves, but not with the plugin.
    Refused,
    /// It serves, but the plugin does not want to run on this host.
    Declined,
    /// It ended of itself, or answered something else than it should.
    Failed,
    /// A signal ended it that nobody sent.
    Crashed,
    /// It did not get on with it.
    Hung,
}

/// What one look at a server found. Holds nothing that differs from run to run where the outcome is the same,
/// no port and no process number.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// How it ended.
    pub outcome: Outcome,
    /// The stage that ended it; `stop` if nothing did.
    pub stage: Stage,
    /// The server's code for why it does not use a plugin.
    pub code: Option<String>,
    /// For people: what it answered, or why it did not.
    pub message: String,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it did with the files beside its plugins, by their names: `loaded`, or its code for why not.
    pub beside: BTreeMap<String, String>,
}

impl Observation {
    /// One of a server whose end says nothing more.
    pub fn new(outcome: Outcome, stage: Stage, message: impl Into<String>) -> Self {
        Self { outcome, stage, code: None, message: message.into(), signal: None, beside: BTreeMap::new() }
    }

    /// The server has ended, which it should not have.
    pub fn ended(stage: Stage, status: ExitStatus, last_words: &str) -> Self {
        let message = match last_words {
            "" => format!("it ended with {status}"),
            words => format!("it ended with {status}: {words}"),
        };
        let outcome = if status.signal().is_some() { Outcome::Crashed } else { Outcome::Failed };
        Self { signal: status.signal(), ..Self::new(outcome, stage, message) }
    }

    /// Writes it to standard output.
    ///
    /// # Errors
    /// If nobody reads it.
    pub fn print(&self) -> Result<(), String> {
        let line = serde_json::to_string(self).map_err(|error| error.to_string())?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("cannot write: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let ended = |raw| Observation::ended(Stage::Request, ExitStatus::from_raw(raw), "its last line");
        let crashed = ended(11);
        assert_eq!((crashed.outcome, crashed.signal), (Outcome::Crashed, Some(11)));
        let failed = ended(2 << 8);
        assert_eq!((failed.outcome, failed.signal), (Outcome::Failed, None));
        assert_eq!(failed.message, "it ended with exit status: 2: its last line");
    }
}
