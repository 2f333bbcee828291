//! An unpacked image, as engines and the matrix use it.

use std::path::PathBuf;

use crate::lab::{Arch, Libc};

/// An image whose root file system lies complete in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Its name under `containers/`.
    pub(crate) name: String,
    /// The architecture of its programs.
    pub(crate) arch: Arch,
    /// The C library that it is a host for; `None` for tools.
    pub(crate) libc: Option<Libc>,
    /// `sha256:<hex>` of its docker config, which is docker's image ID.
    pub(crate) digest: String,
    /// The folder that programs see as `/`. Engines never write into it.
    pub(crate) rootfs: PathBuf,
    /// Whether it was made from its lock alone.
    pub(crate) pinned: bool,
}
