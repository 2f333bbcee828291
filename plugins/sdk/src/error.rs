//! How a plugin's call fails.

use plugin_abi::{SizeError, Status, ViewError};
use std::fmt;

/// A failed call: the status the host sees and a message for its log.
///
/// Every `std::error::Error` converts into it with `?`, its sources appended to the message; the status is then
/// [`Status::FAILED`]. The message goes to the operator, never to a client.
pub struct Error {
    status: Status,
    message: String,
}

impl Error {
    /// The call failed.
    pub fn new(message: impl Into<String>) -> Error {
        Error { status: Status::FAILED, message: message.into() }
    }

    /// Something was passed that does not fit: a bad setting, for instance.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error { status: Status::INVALID_ARGUMENT, message: message.into() }
    }

    /// Something the plugin depends on is away; trying again later may help.
    pub fn unavailable(message: impl Into<String>) -> Error {
        Error { status: Status::UNAVAILABLE, message: message.into() }
    }

    /// It took longer than allowed.
    pub fn timed_out(message: impl Into<String>) -> Error {
        Error { status: Status::TIMED_OUT, message: message.into() }
    }

    /// The call failed with a status of the author's choice. One that is no failure becomes [`Status::FAILED`].
    pub fn with_status(status: Status, message: impl Into<String>) -> Error {
        Error { status: if status.is_failure() { status } else { Status::FAILED }, message: message.into() }
    }

    /// The status the host sees, always a failure.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The message for the log.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the other side passed as `what` breaks the contract.
    pub(crate) fn view(what: &str, error: ViewError) -> Error {
        Error::invalid(format!("{what}: {error}"))
    }

    pub(crate) fn size(what: &str, error: SizeError) -> Error {
        Error::invalid(format!("{what}: {error}"))
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            message = format!("{message}: {error}");
            source = error.source();
        }
        Error::new(message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
