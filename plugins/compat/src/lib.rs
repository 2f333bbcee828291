//! Judges from a native plugin's bytes whether it loads in a host, and says every reason why not.
//!
//! Three steps, each a plain value that can be shown, stored as JSON and compared:
//!
//! 1. [`ElfFacts::parse`]: bytes in, facts out. Nothing is executed, no input makes it panic or allocate more than a
//!    small multiple of the file.
//! 2. [`HostReader`]: reads [`HostFacts`] from a root file system, or from the one the calling process runs in.
//!    It is the only part of this crate that touches the disk.
//! 3. [`judge`]: facts of both in, a [`Verdict`] out, whose [`Reason`]s carry a stable [`Code`] and a sentence that
//!    names both sides and the cure.
//!
//! The judgement follows what the loaders of glibc and musl do with `RTLD_NOW`, down to symbol versions, and then what
//! the contract in `plugin-abi` asks for. The same code judges in a server before it loads a plugin and in the lab
//! that compares it with what real loaders did.
//!
//! ```
//! use plugin_compat::{Code, HostReader, Policy, judge_bytes};
//!
//! # fn main() -> Result<(), plugin_compat::HostError> {
//! let host = HostReader::of_running_process()?;
//! let verdict = judge_bytes(b"#!/bin/sh\n", host.facts(), &Policy::any_kind());
//! assert!(!verdict.loadable);
//! assert_eq!(verdict.reasons[0].code, Code::ElfNotElf);
//! assert!(verdict.reasons[0].text.starts_with("the file is a script, hosts load ELF shared libraries"));
//! # Ok(())
//! # }
//! ```
//!
//! # What no reader of bytes can foresee
//! Whether a constructor aborts or never returns, whether the processor has the instructions the code uses (unless the file
//! is marked with the level that it needs), whether memory is left. [`Code::layer`] tells which reasons the loader itself would give, which the contract, and which
//! only the judge: two C libraries in one process may seem to work for a while.
#![forbid(unsafe_code)]

mod elf;
mod file_kind;
mod host;
mod identity;
mod judge;
mod libc;
mod loader_message;
mod policy;
mod verdict;

pub use elf::{
    Class, ElfError, ElfFacts, Endianness, Export, Filtee, Hardening, HashTables, Import, Linkage,
    LoadTraits, Machine, MissingTail, ObjectType, PageLayout, RequiredVersion, SymbolKind, ThreadLocalBlock,
};
pub use file_kind::{FileKind, UnknownFileKind};
pub use host::{HostError, HostFacts, HostLibc, HostLibrary, HostReader};
pub use identity::{AbiVersion, ContractNote, PluginIdentity};
pub use judge::{judge, judge_at, judge_bytes, judge_unreadable};
pub use libc::{LibcFamily, LibcVersion, LibcVersionError};
pub use loader_message::code_of_message;
pub use plugin_abi::Kind;
pub use policy::Policy;
pub use verdict::{Code, Layer, Reason, UnknownCode, Verdict};

/// Compiles what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
