//! One finding about this machine.

use serde::Serialize;

use crate::engine::Unavailable;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// A word.
    pub(super) name: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) detail: String,
    /// What mends it.
    pub(super) cure: Option<String>,
}

/// What a finding means for `cargo xtask matrix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As needed.
    Ok,
    /// Without it nothing runs.
    Missing,
    /// Without it some cells are not run.
    Partial,
    /// Not there, and not needed by the chosen engine.
    Unneeded,
}

impl Check {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check { name, state: State::Ok, detail: detail.into(), cure: None }
    }

    pub(super) fn missing(name: &'static str, detail: impl Into<String>, cure: impl Into<String>) -> Check {
        Check { name, state: State::Missing, detail: detail.into(), cure: Some(cure.into()) }
    }

    /// `detail` if it is available, else the reason, in the state `otherwise`.
    pub(super) fn available(
        name: &'static str,
        detail: impl Into<String>,
        found: Result<(), Unavailable>,
        otherwise: State,
    ) -> Check {
        match found {
            Ok(()) => Check::ok(name, detail),
            Err(Unavailable { reason, cure }) => {
                Check { name, state: otherwise, detail: reason, cure: Some(cure) }
            }
        }
    }
}
