//! Bounded reading of little-endian integers and strings: every access is checked, none panics.

use std::cell::Cell;
use std::sync::Arc;

use super::ElfError;

/// A part of the file that hands out integers only where it has bytes for them.
#[derive(Clone, Copy)]
pub(super) struct Window<'a>(pub(super) &'a [u8]);

impl<'a> Window<'a> {
    pub(super) fn slice(self, offset: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(offset..offset.checked_add(length)?)
    }

    pub(super) fn u16(self, offset: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.slice(offset, 2)?.try_into().ok()?))
    }

    pub(super) fn u32(self, offset: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.slice(offset, 4)?.try_into().ok()?))
    }

    pub(super) fn u64(self, offset: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.slice(offset, 8)?.try_into().ok()?))
    }
}

/// The dynamic string table, with an allowance on what may be copied out of it.
///
/// Nothing keeps a hostile file from pointing a hundred thousand symbols at one name of a megabyte. Honest files
/// copy about as many bytes as the table has, since only suffixes are shared.
pub(super) struct Names<'a> {
    table: &'a [u8],
    allowance: Cell<usize>,
}

/// Strings beyond the file's own length that may be copied out of any file, however small, in bytes.
const SPARE_ALLOWANCE: usize = 64 * 1024;
/// The longest name that need not be UTF-8, in bytes: that of any file (limits.h, PATH_MAX).
const LONGEST_FOREIGN: usize = 4096;

impl<'a> Names<'a> {
    pub(super) fn new(table: &'a [u8], file_length: usize) -> Self {
        let allowance = file_length.saturating_mul(2).saturating_add(SPARE_ALLOWANCE);
        Self { table, allowance: Cell::new(allowance) }
    }

    /// The NUL-terminated string at `offset`; bytes that are not UTF-8 become replacement characters, which are three bytes each.
    pub(super) fn get(&self, offset: u64) -> Result<Arc<str>, ElfError> {
        let tail = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.table.get(offset..))
            .ok_or_else(|| ElfError::malformed("a name lies outside the dynamic string table"))?;
        // The search is cut at the allowance too, so that its time is bounded and not only its memory.
        let searched = &tail[..tail.len().min(self.allowance.get())];
        let length = searched.iter().position(|byte| *byte == 0).ok_or_else(|| {
            ElfError::malformed("the dynamic string table has no end, or is referred to far too often")
        })?;
        let name = match std::str::from_utf8(&searched[..length]) {
            Ok(name) => Arc::from(name),
            Err(_) if length > LONGEST_FOREIGN => {
                return Err(ElfError::malformed("a name of more than 4096 bytes is not UTF-8"));
            }
            Err(_) => Arc::<str>::from(String::from_utf8_lossy(&searched[..length])),
        };
        self.allowance.set(self.allowance.get().saturating_sub(length.max(name.len()) + 1));
        Ok(name)
    }
}
