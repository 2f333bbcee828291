//! How a process ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Self::Signal(signal),
            // One of both is always there for a process that has ended.
            None => Self::Code(status.code().unwrap_or_default()),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(number) => match signal_hook::low_level::signal_name(*number) {
                Some(name) => formatter.write_str(name),
                None => write!(formatter, "signal {number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_decoded() {
        // The encoding of wait(2): the code in the second byte, or the signal in the first.
        for (raw, text) in
            [(0, "exit code 0"), (3 << 8, "exit code 3"), (9, "SIGKILL"), (11 | 0x80, "SIGSEGV")]
        {
            assert_eq!(Exit::from(ExitStatus::from_raw(raw)).to_string(), text);
        }
        assert_eq!(Exit::Signal(40).to_string(), "signal 40");
    }
}
