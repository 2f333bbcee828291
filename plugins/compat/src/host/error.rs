//! Why a host's facts cannot be read.

use std::path::PathBuf;

use crate::ElfError;

/// Why [`HostReader`](super::HostReader) gives no facts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A file of the host cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The host's program is no ELF file that can run.
    #[error("{} cannot be a host's program", path.display())]
    Program {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ElfError,
    },
    /// The program names a loader that the root file system does not have.
    #[error("the program of {host} needs the loader {interpreter}, which is not under {}; is this its root file system?", root.display())]
    NoLoader {
        /// The host's name.
        host: String,
        /// The interpreter the program names.
        interpreter: String,
        /// The root that was searched.
        root: PathBuf,
    },
    /// The program runs on a C library that is not known here.
    #[error("the program of {host} is loaded by {interpreter}, which is neither glibc's nor musl's loader")]
    UnknownLoader {
        /// The host's name.
        host: String,
        /// The interpreter the program names.
        interpreter: String,
    },
    /// The loader is there, the C library it belongs to is not.
    #[error("the root file system {} has the loader of {host} but no libc.so.6 in {searched}; unpack its libc package there", root.display())]
    NoLibc {
        /// The host's name.
        host: String,
        /// The root that was searched.
        root: PathBuf,
        /// The folders that were searched.
        searched: String,
    },
}
