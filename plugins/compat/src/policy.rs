//! What a host asks of a plugin beyond being loadable.

use plugin_abi::Kind;

/// What a host asks of a plugin beyond being loadable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Kinds the host has a place for; every kind if empty.
    pub wanted_kinds: Vec<Kind>,
    /// Whether the contract's note and entry must be there. Off, any shared library can be judged.
    pub require_contract: bool,
    /// Whether a plugin may be loaded in which a panic ends the process (`panic = "abort"`). Off, it is refused: no host survives
    /// a mistake of such a plugin.
    pub allow_abort: bool,
}

impl Policy {
    /// Plugins of the contract, of any kind.
    pub fn any_kind() -> Self {
        Self { wanted_kinds: Vec::new(), require_contract: true, allow_abort: false }
    }

    /// Plugins of the contract, of one kind.
    pub fn kind(kind: Kind) -> Self {
        Self { wanted_kinds: vec![kind], require_contract: true, allow_abort: false }
    }

    /// Any shared library: only what the loader would say.
    pub fn loader_only() -> Self {
        Self { wanted_kinds: Vec::new(), require_contract: false, allow_abort: false }
    }

    /// The same, with or without plugins in which a panic ends the process.
    #[must_use]
    pub fn allowing_abort(self, allow_abort: bool) -> Self {
        Self { allow_abort, ..self }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::any_kind()
    }
}
