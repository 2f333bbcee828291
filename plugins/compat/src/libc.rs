//! C library families and versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which C library a file is built for, or a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LibcFamily {
    /// The GNU C library.
    Glibc,
    /// musl.
    Musl,
}

impl LibcFamily {
    /// The family whose loader a program names as its interpreter.
    pub(crate) fn of_interpreter(path: &str) -> Option<Self> {
        Self::of_loader(path.rsplit('/').next()?)
    }

    /// The family that a needed library's name gives away: glibc's libc is `libc.so.6`, musl's `libc.so`,
    /// which Alpine also calls `libc.musl-<arch>.so.1`.
    pub(crate) fn of_needed_library(name: &str) -> Option<Self> {
        match name {
            "libc.so.6" => Some(Self::Glibc),
            "libc.so" => Some(Self::Musl),
            _ if name.starts_with("libc.musl-") => Some(Self::Musl),
            _ => Self::of_loader(name),
        }
    }

    fn of_loader(name: &str) -> Option<Self> {
        if name.starts_with("ld-musl-") {
            Some(Self::Musl)
        } else if name.starts_with("ld-linux") || name.starts_with("ld64.so") {
            Some(Self::Glibc)
        } else {
            None
        }
    }

    /// The last part of the target triples built for it.
    pub(crate) fn target_environment(self) -> &'static str {
        match self {
            Self::Glibc => "gnu",
            Self::Musl => "musl",
        }
    }
}

impl fmt::Display for LibcFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        })
    }
}

/// A C library's version: `2.36`, `1.2.5`. Written and serialized that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LibcVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number; 0 where none is written.
    pub patch: u16,
}

/// Text that is no [`LibcVersion`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of two or three numbers, such as 2.36 or 1.2.5")]
pub struct LibcVersionError(String);

impl LibcVersion {
    /// The version in the name of a glibc symbol version: `GLIBC_2.2.5`. None for `GLIBC_PRIVATE` and the like.
    pub fn of_symbol_version(name: &str) -> Option<Self> {
        name.strip_prefix("GLIBC_")?.parse().ok()
    }
}

impl FromStr for LibcVersion {
    type Err = LibcVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || LibcVersionError(text.to_owned());
        let numbers: Vec<u16> =
            text.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| refused())?;
        match numbers[..] {
            [major, minor] => Ok(Self { major, minor, patch: 0 }),
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for LibcVersion {
    type Error = LibcVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LibcVersion> for String {
    fn from(version: LibcVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for LibcVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}
