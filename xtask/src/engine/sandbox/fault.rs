//! Why a sandbox could not be made, by the step that failed.

use serde::{Deserialize, Serialize};

/// A failed step on the way to a running program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) text: String,
}

/// The steps whose failure means that the machine forbids sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Entering a new user namespace and those below it.
    Namespaces,
    /// Mounting inside the new mount namespace.
    Mounts,
    /// Mounting `/proc` of the new process namespace.
    Proc,
    /// A private binfmt_misc and the emulator in it.
    Emulation,
    /// Everything else, which is wrong with the job and not with the machine.
    Other,
}

impl Fault {
    pub(super) fn other(text: impl Into<String>) -> Fault {
        Fault { step: Step::Other, text: text.into() }
    }
}

/// Adds the step and what was being done to an error.
pub(super) trait During<T> {
    fn during(self, step: Step, doing: impl FnOnce() -> String) -> Result<T, Fault>;
}

impl<T, E: std::fmt::Display> During<T> for Result<T, E> {
    fn during(self, step: Step, doing: impl FnOnce() -> String) -> Result<T, Fault> {
        self.map_err(|error| Fault { step, text: format!("cannot {}: {error}", doing()) })
    }
}
