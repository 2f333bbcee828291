//! The page by which readers notice that something was published, with a plain read of memory.
//!
//! | Offset | Size | Content |
//! | ---: | ---: | --- |
//! | 0 | 8 | `DYNBCTL\n` |
//! | 8 | 8 | format version |
//! | 64 | 8 | generation, on a line of the processor's cache of its own |
//!
//! The file is as long as a page and stays the same file as long as its folder does, so that readers need not look for another.

use crate::mapping::{SharedPage, PAGE_LENGTH};
use crate::table::FORMAT_VERSION;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: [u8; 8] = *b"DYNBCTL\n";
const VERSION_AT: usize = 8;
const GENERATION_AT: usize = 64;

/// The page, mapped by a reader.
#[derive(Debug)]
pub(crate) struct Control(SharedPage);

/// Why a file is no such page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It cannot be mapped.
    #[error("cannot map it")]
    Map(#[source] io::Error),
    /// Shorter than a page.
    #[error("it is shorter than {PAGE_LENGTH} bytes")]
    Short,
    /// It begins otherwise.
    #[error("it does not begin as it should")]
    Magic,
    /// Another version of the format.
    #[error("it has format version {0}, this program reads {FORMAT_VERSION}; let both be of one release")]
    Version(u64),
}

impl Control {
    pub(crate) fn of(file: &File) -> Result<Control, ControlError> {
        let page = SharedPage::of(file).map_err(ControlError::Map)?.ok_or(ControlError::Short)?;
        if page.number(0) != u64::from_le_bytes(MAGIC) {
            return Err(ControlError::Magic);
        }
        match page.number(VERSION_AT) {
            version if version == u64::from(FORMAT_VERSION) => Ok(Control(page)),
            version => Err(ControlError::Version(version)),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.0.number(GENERATION_AT)
    }
}

/// What a new control file holds.
pub(crate) fn content(generation: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE_LENGTH];
    page[..8].copy_from_slice(&MAGIC);
    page[VERSION_AT..][..8].copy_from_slice(&u64::from(FORMAT_VERSION).to_le_bytes());
    page[GENERATION_AT..][..8].copy_from_slice(&generation.to_le_bytes());
    page
}

/// Tells readers. On Linux a write is seen in mappings of the file at once (mmap(2), `MAP_SHARED`). Should a reader see half of
/// the number, it is another one than before all the same, and another one again at the next look.
pub(crate) fn set_generation(file: &File, generation: u64) -> io::Result<()> {
    file.write_all_at(&generation.to_le_bytes(), GENERATION_AT as u64)
}
