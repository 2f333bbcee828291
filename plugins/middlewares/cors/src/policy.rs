//! What the operator allows, checked.

use crate::origins::Origins;

/// The settings in the form that answers are made from.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) origins: Origins,
    /// Methods beside those that need no leave.
    pub(crate) methods: Allowed,
    /// Fields of requests beside those that need no leave.
    pub(crate) headers: Allowed,
    /// Fields of responses that scripts may read, as a list.
    pub(crate) expose: Option<String>,
    pub(crate) credentials: bool,
    /// How long a browser may remember a preflight's answer, in seconds.
    pub(crate) max_age: Option<String>,
    pub(crate) private_network: bool,
}

/// What a preflight is granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// These, as a list; perhaps empty.
    Listed(String),
    /// Whatever it asks for. Never the literal `*`, which does not cover `authorization`, nor anything when credentials
    /// are sent.
    Mirrored,
}

impl Policy {
    /// Whether two requests that differ in nothing but their origin may get different answers.
    pub(crate) fn depends_on_origin(&self) -> bool {
        !self.origins.is_any() && !self.origins.is_empty()
    }

    /// What is said to an allowed origin, unless it is the same for all.
    pub(crate) fn allow_origin<'a>(&self, origin: &'a [u8]) -> Option<&'a [u8]> {
        (!self.origins.is_any()).then_some(origin)
    }
}
