//! The version of the contract, and the rule by which two versions fit.

use core::fmt;

/// Major version of the contract. Another major is another contract: nothing is promised but the note's layout.
pub const ABI_MAJOR: u16 = 1;

/// Minor version of the contract. A minor only appends: fields at the end of structures, kinds, status codes.
///
/// - 1.0: the first.
/// - 1.1: `health` at the end of the handler, middleware, cache and resolver tables.
pub const ABI_MINOR: u16 = 1;

/// Decides whether a plugin of version `major.minor` may be loaded by a host of this crate's version.
///
/// The rule: same major, and the plugin's minor is at most the host's. An older plugin has shorter tables, which
/// [`read_sized`](crate::sized::read_sized) completes with absent entries; a newer one may call what the host lacks.
pub const fn check_abi(major: u16, minor: u16) -> Result<(), AbiMismatch> {
    if major != ABI_MAJOR {
        return Err(AbiMismatch::Major { plugin: major, host: ABI_MAJOR });
    }
    if minor > ABI_MINOR {
        return Err(AbiMismatch::Minor { plugin: minor, host: ABI_MINOR });
    }
    Ok(())
}

/// Why a plugin's version of the contract does not fit the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbiMismatch {
    /// Another contract altogether.
    Major {
        /// The plugin's major version.
        plugin: u16,
        /// The host's major version.
        host: u16,
    },
    /// The plugin was built against a newer minor version than the host implements.
    Minor {
        /// The plugin's minor version.
        plugin: u16,
        /// The host's minor version.
        host: u16,
    },
}

impl fmt::Display for AbiMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AbiMismatch::Major { plugin, host } => {
                write!(f, "plugin speaks ABI major {plugin}, host speaks {host}; build the plugin against ABI {host}")
            }
            AbiMismatch::Minor { plugin, host } => write!(
                f,
                "plugin needs ABI minor {plugin}, host implements {host}; upgrade the host or build the plugin against {host}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_major_and_not_newer_minor_fit() {
        assert_eq!(check_abi(1, 0), Ok(()));
        assert_eq!(check_abi(1, ABI_MINOR), Ok(()));
        assert_eq!(
            check_abi(1, ABI_MINOR + 1),
            Err(AbiMismatch::Minor { plugin: ABI_MINOR + 1, host: ABI_MINOR })
        );
        assert_eq!(check_abi(2, 0), Err(AbiMismatch::Major { plugin: 2, host: 1 }));
        assert_eq!(check_abi(0, 9), Err(AbiMismatch::Major { plugin: 0, host: 1 }));
    }
}
