//! What the probe says: one JSON object on one line for each plugin it looked at.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// How far a plugin got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Reading the file, and copying it into a sealed anonymous file.
    Open,
    /// Owner, mode and allow-list (`load` only).
    Trust,
    /// Judging the bytes (`load` only).
    Judge,
    /// The loader: mapping, relocation, constructors of the object.
    Dlopen,
    /// The identity note in the loaded object.
    Note,
    /// The version of the contract.
    Abi,
    /// The exported symbol.
    Entry,
    /// What the symbol leads to.
    Descriptor,
    /// The plugin's own opinion of this host.
    Accept,
    /// Making an instance.
    Create,
    /// Calling it once.
    Call,
}

impl Stage {
    pub(crate) const ALL: [Self; 11] = [
        Self::Open,
        Self::Trust,
        Self::Judge,
        Self::Dlopen,
        Self::Note,
        Self::Abi,
        Self::Entry,
        Self::Descriptor,
        Self::Accept,
        Self::Create,
        Self::Call,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Trust => "trust",
            Self::Judge => "judge",
            Self::Dlopen => "dlopen",
            Self::Note => "note",
            Self::Abi => "abi",
            Self::Entry => "entry",
            Self::Descriptor => "descriptor",
            Self::Accept => "accept",
            Self::Create => "create",
            Self::Call => "call",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Loaded, created, and answered one call.
    Works,
    /// The loader or this probe said no, in good order.
    Refused,
    /// It loads, and does not want to run on this host.
    Declined,
    /// Loaded and accepted, but creating it or calling it gave an error.
    Failed,
    /// The process ended before it could report.
    Crashed,
    /// The process used up its time.
    Hung,
}

/// What one look at a plugin found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) outcome: Outcome,
    /// The stage that ended it; `call` if nothing did.
    pub(crate) stage: Stage,
    /// The stable code of the reason, where one is known.
    pub(crate) code: Option<String>,
    /// For people: what it answered, or why it did not.
    pub(crate) message: String,
}

/// Writes one observation to standard output.
pub(crate) fn print(observation: &impl Serialize) -> Result<(), String> {
    let line = serde_json::to_string(observation).map_err(|error| error.to_string())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| format!("cannot write: {error}"))
}

impl Observation {
    pub(crate) fn works(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Works, stage: Stage::Call, code: None, message: message.into() }
    }

    pub(crate) fn refused(stage: Stage, code: Option<&str>, message: impl Into<String>) -> Self {
        let code = code.map(str::to_owned);
        Self { outcome: Outcome::Refused, stage, code, message: message.into() }
    }

    pub(crate) fn declined(message: impl Into<String>) -> Self {
        let code = Some("accept.declined".to_owned());
        Self { outcome: Outcome::Declined, stage: Stage::Accept, code, message: message.into() }
    }

    pub(crate) fn failed(stage: Stage, code: Option<&str>, message: impl Into<String>) -> Self {
        let code = code.map(str::to_owned);
        Self { outcome: Outcome::Failed, stage, code, message: message.into() }
    }
}
