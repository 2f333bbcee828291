//! Who a plugin says it is: the contract's note in a form that can be shown, stored and compared.

use std::fmt;

use plugin_abi::{ABI_MAJOR, ABI_MINOR, Kind};
use serde::{Deserialize, Serialize};

/// Version of the contract between host and plugin: same major and plugin minor <= host minor loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AbiVersion {
    /// Raised when existing binaries break.
    pub major: u16,
    /// Raised when fields or tables are added behind the existing ones.
    pub minor: u16,
}

impl AbiVersion {
    /// The contract this crate was built with, which is what a host built with it offers.
    pub const CURRENT: Self = Self { major: ABI_MAJOR, minor: ABI_MINOR };
}

impl fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the contract's note says. Everything but the ABI version, the kind and how a panic ends is for people: shown, never compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PluginIdentity {
    /// The contract the plugin was built against.
    pub abi: AbiVersion,
    /// What the plugin is for: the code of a [`Kind`], or a number a newer contract added.
    pub kind: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version (semver).
    pub version: String,
    /// The exported symbol that is its descriptor.
    pub entry: String,
    /// Target triple it was built for.
    pub target: String,
    /// The compiler and its version.
    pub compiler: String,
    /// Build profile with the panic strategy.
    pub profile: String,
    /// `sha256:<hex>` of the sources it was built from, or `unknown`.
    pub source_digest: String,
}

impl PluginIdentity {
    /// The kind, if this version of the contract knows it.
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind)
    }

    /// Whether a panic in the plugin ends the process that has loaded it: then nothing at its edge can catch it.
    pub fn aborts_on_panic(&self) -> bool {
        plugin_abi::note::aborts_on_panic(&self.profile)
    }
}

/// The contract's note in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
#[non_exhaustive]
pub enum ContractNote {
    /// There is none: not a plugin of this contract, or its note was removed.
    Missing,
    /// There is one that cannot be read.
    Garbled {
        /// What is wrong with it.
        problem: String,
    },
    /// There is one.
    Present(PluginIdentity),
}

impl ContractNote {
    /// The identity, if a readable one is there.
    pub fn identity(&self) -> Option<&PluginIdentity> {
        match self {
            Self::Present(identity) => Some(identity),
            _ => None,
        }
    }
}
