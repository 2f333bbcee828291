//! How xtask ends when it does not succeed.
//!
//! Every error is one sentence that names the cure. Its exit code is 2 (bad input or a machine that lacks something)
//! unless a [`Stop`] in its chain says otherwise.

use std::fmt;

/// Exit code of everything that the user can mend: bad input, a missing tool, no network, a full disk.
const EXIT_CANNOT: u8 = 2;

/// An error with an exit code of its own.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Predicted, observed and expected differ, or a committed file is stale: exit code 1.
    Disagreement(String),
    /// Some cells could not be run on this machine: exit code 3.
    NotRun(String),
}

impl Stop {
    /// The exit code that `error` asks for.
    pub(crate) fn exit_code_of(error: &anyhow::Error) -> u8 {
        match error.downcast_ref::<Stop>() {
            Some(Stop::Disagreement(_)) => 1,
            Some(Stop::NotRun(_)) => 3,
            None => EXIT_CANNOT,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Disagreement(sentence) | Stop::NotRun(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Stop {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn exit_codes_survive_added_context() {
        let cases = [
            (anyhow::anyhow!("no such host"), 2),
            (Stop::Disagreement("stale".into()).into(), 1),
            (Stop::NotRun("no binfmt".into()).into(), 3),
        ];
        for (error, code) in cases {
            let wrapped: anyhow::Error = Err::<(), _>(error).context("matrix").unwrap_err();
            assert_eq!(Stop::exit_code_of(&wrapped), code, "{wrapped:#}");
        }
    }
}
