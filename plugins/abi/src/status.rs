//! What a call across the boundary came to.

use core::fmt;

/// Outcome of a call: zero is success, positive numbers are outcomes that are no failure, negative numbers are failures.
///
/// A number this version does not know is treated by its sign, so that a newer minor may add codes.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub i32);

impl Status {
    /// Done. For a middleware's `before`: continue with the next.
    pub const OK: Status = Status(0);

    /// A middleware's `before` has answered the request itself; nothing behind it is called.
    pub const ANSWERED: Status = Status(1);
    /// `accept` says no: the plugin does not want to run on this host. The reason is in the sink.
    pub const DECLINED: Status = Status(2);
    /// The cache has no live value for the key, or the resolver knows no upstream for the host.
    pub const NOT_FOUND: Status = Status(3);
    /// The resolver does not know yet and will wake the caller, who then asks again.
    pub const PENDING: Status = Status(4);

    /// An argument was out of the contract: a null pointer, text that is not UTF-8, a number out of range.
    pub const INVALID_ARGUMENT: Status = Status(-1);
    /// The callee failed; the message is in the error sink.
    pub const FAILED: Status = Status(-2);
    /// The callee panicked and the panic was caught at the boundary; the message is in the error sink.
    pub const PANICKED: Status = Status(-3);
    /// The callee does not do this.
    pub const UNSUPPORTED: Status = Status(-4);
    /// A limit of the callee was reached (size of a body, number of entries); trying again later does not help.
    pub const LIMIT_EXCEEDED: Status = Status(-5);
    /// Whoever wanted the result is gone (the client hung up): stop working on it.
    pub const CLOSED: Status = Status(-6);
    /// It took longer than allowed.
    pub const TIMED_OUT: Status = Status(-7);
    /// Something the callee depends on is away at the moment; trying again later may help.
    pub const UNAVAILABLE: Status = Status(-8);

    /// True for failures, known or not.
    pub const fn is_failure(self) -> bool {
        self.0 < 0
    }

    /// The status' name in kebab case, `None` for a number this version does not know.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Status::OK => "ok",
            Status::ANSWERED => "answered",
            Status::DECLINED => "declined",
            Status::NOT_FOUND => "not-found",
            Status::PENDING => "pending",
            Status::INVALID_ARGUMENT => "invalid-argument",
            Status::FAILED => "failed",
            Status::PANICKED => "panicked",
            Status::UNSUPPORTED => "unsupported",
            Status::LIMIT_EXCEEDED => "limit-exceeded",
            Status::CLOSED => "closed",
            Status::TIMED_OUT => "timed-out",
            Status::UNAVAILABLE => "unavailable",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}: {})", self.0, self.name().unwrap_or("unknown"))
    }
}
