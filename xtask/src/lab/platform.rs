//! Targets that artifacts are built for, and host images that they are loaded in.

use std::fmt;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::expect::Meeting;

/// A processor architecture, by the name that target triples use.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arch {
    /// AMD64, `EM_X86_64`.
    #[serde(rename = "x86_64")]
    #[value(name = "x86_64")]
    X86_64,
    /// ARM64, `EM_AARCH64`.
    Aarch64,
}

/// A C library family, by the last part of a target triple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Libc {
    /// The GNU C library.
    Gnu,
    /// musl.
    Musl,
}

/// What artifacts are built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The target triple.
    pub(crate) triple: String,
    /// Its architecture.
    pub(crate) arch: Arch,
    /// Its C library.
    pub(crate) libc: Libc,
    /// The newest glibc symbol version that artifacts may need, where the target has glibc.
    pub(crate) glibc_floor: Option<String>,
}

/// An image that plugins are loaded in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// `SUITE-ARCH-LIBC`, which is also the name of its image.
    pub(crate) name: String,
    /// Its architecture.
    pub(crate) arch: Arch,
    /// Its C library.
    pub(crate) libc: Libc,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetEntry {
    triple: String,
    glibc_floor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HostsEntry {
    suites: Vec<String>,
    arches: Vec<Arch>,
    libcs: Vec<Libc>,
}

impl Host {
    /// How this host relates to what is built for `target`.
    pub(crate) fn meets(&self, target: &Target) -> Meeting {
        if self.arch != target.arch {
            Meeting::Arch
        } else if self.libc != target.libc {
            Meeting::Libc
        } else {
            Meeting::Home
        }
    }
}

impl HostsEntry {
    pub(super) fn expand(&self) -> Vec<Host> {
        let mut hosts = Vec::new();
        for suite in &self.suites {
            for &arch in &self.arches {
                for &libc in &self.libcs {
                    hosts.push(Host { name: format!("{suite}-{arch}-{libc}"), arch, libc });
                }
            }
        }
        hosts
    }
}

impl TryFrom<TargetEntry> for Target {
    type Error = anyhow::Error;

    fn try_from(entry: TargetEntry) -> Result<Target> {
        let (arch, libc) = match entry.triple.as_str() {
            "x86_64-unknown-linux-gnu" => (Arch::X86_64, Libc::Gnu),
            "aarch64-unknown-linux-gnu" => (Arch::Aarch64, Libc::Gnu),
            "x86_64-unknown-linux-musl" => (Arch::X86_64, Libc::Musl),
            "aarch64-unknown-linux-musl" => (Arch::Aarch64, Libc::Musl),
            other => bail!(
                "target {other:?} has no toolchain; the toolchain image knows x86_64 and aarch64, gnu and musl"
            ),
        };
        match (libc, &entry.glibc_floor) {
            (Libc::Gnu, None) => bail!("target {:?} needs a glibc_floor", entry.triple),
            (Libc::Musl, Some(_)) => bail!("target {:?} has no glibc; drop its glibc_floor", entry.triple),
            _ => {}
        }
        Ok(Target { triple: entry.triple, arch, libc, glibc_floor: entry.glibc_floor })
    }
}

impl Arch {
    /// The target of Debian's own programs, which have glibc.
    pub(crate) fn debian_target(self) -> String {
        format!("{self}-unknown-linux-gnu")
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        })
    }
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Libc::Gnu => "gnu",
            Libc::Musl => "musl",
        })
    }
}
