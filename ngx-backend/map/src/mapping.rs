//! Files in memory, mapped to be read. All unsafe code of the crate is here.
//!
//! Other processes write such files under another name and rename them when complete; a published file is not written to and never
//! shortened. Nobody but the publisher's user may write there. Who shortens a mapped file in place as that user ends its
//! readers with SIGBUS: no check can stand between looking at the length and reading.
#![allow(unsafe_code)]

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::sync::atomic::{fence, AtomicU64, Ordering};

/// A file, mapped whole.
#[derive(Debug)]
pub(crate) struct Mapping(Mmap);

/// A file of one page that its writer goes on changing.
#[derive(Debug)]
pub(crate) struct SharedPage(Mmap);

/// Length of a shared page.
pub(crate) const PAGE_LENGTH: usize = 4096;

impl Mapping {
    pub(crate) fn of(file: &File) -> io::Result<Mapping> {
        // SAFETY:
        // - The mapping is read-only, and the file is not changed while it is mapped (see the head of this file).
        // - Were it changed all the same, readers would see other bytes: they take any, as every read checks length and checksum, and
        //   none keeps a promise (UTF-8, a length) from one read to the next outside of one call.
        unsafe { Mmap::map(file) }.map(Mapping)
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl SharedPage {
    /// Maps the first page. `None` if the file is shorter.
    pub(crate) fn of(file: &File) -> io::Result<Option<SharedPage>> {
        if file.metadata()?.len() < PAGE_LENGTH as u64 {
            return Ok(None);
        }
        // SAFETY: the mapping is read-only and as long as the file was; what others write there is read by `number` alone.
        let page = unsafe { memmap2::MmapOptions::new().len(PAGE_LENGTH).map(file) }?;
        Ok(Some(SharedPage(page)))
    }

    /// The number at `offset`, a multiple of 8 below [`PAGE_LENGTH`], as it is now. What its writer did before is seen behind it.
    pub(crate) fn number(&self, offset: usize) -> u64 {
        assert!(offset % 8 == 0 && offset < PAGE_LENGTH, "{offset} is no place of a number");
        // SAFETY:
        // - The place is inside the mapping, which lives as long as `self`, and aligned, as mappings begin at pages.
        // - Everybody reads it atomically, and a relaxed load of 8 bytes may be of read-only memory on x86_64 and aarch64.
        let number = unsafe { &*self.0.as_ptr().add(offset).cast::<AtomicU64>() };
        let now = u64::from_le(number.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        now
    }
}
