//! Files in memory, to be read. All unsafe code of the crate is here and in `guard`.
//!
//! Other processes write such files under another name and rename them when complete; a published file is not written to and never
//! shortened. Nobody but the publisher's user may write there. Should that user do it all the same, readers go on with what they have
//! of small files, and read other bytes or zeros of large ones, which their checksums tell.
#![allow(unsafe_code)]

mod guard;

use guard::Guard;
use memmap2::{Mmap, MmapMut};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{fence, AtomicU64, Ordering};

/// A whole file: a small one copied, a large one mapped, so that processes share it.
#[derive(Debug)]
pub(crate) struct Mapping {
    // Ends before what it guards.
    _guard: Option<Guard>,
    bytes: Mmap,
}

/// A file of one page that its writer goes on changing.
#[derive(Debug)]
pub(crate) struct SharedPage {
    _guard: Guard,
    page: Mmap,
}

/// The longest file that is copied: nothing beside what a worker of nginx has anyway, and read no later than a mapping of it would be.
const COPIED: u64 = 1 << 20;

/// Length of a shared page.
pub(crate) const PAGE_LENGTH: usize = 4096;

impl Mapping {
    pub(crate) fn of(file: &File) -> io::Result<Mapping> {
        let length = file.metadata()?.len();
        if length <= COPIED {
            let mut copy = MmapMut::map_anon(usize::try_from(length).map_err(io::Error::other)?)?;
            file.read_exact_at(&mut copy, 0)?;
            return Ok(Mapping { _guard: None, bytes: copy.make_read_only()? });
        }
        // SAFETY:
        // - The mapping is read-only, and the file is not changed while it is mapped (see the head of this file).
        // - Were it changed all the same, readers would see other bytes: they take any, as every read checks length and checksum, and
        //   none keeps a promise (UTF-8, a length) from one read to the next outside of one call.
        let bytes = unsafe { Mmap::map(file) }?;
        Ok(Mapping { _guard: Some(Guard::over(&bytes)), bytes })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
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
        Ok(Some(SharedPage { _guard: Guard::over(&page), page }))
    }

    /// The number at `offset`, a multiple of 8 below [`PAGE_LENGTH`], as it is now. What its writer did before is seen behind it.
    pub(crate) fn number(&self, offset: usize) -> u64 {
        assert!(offset % 8 == 0 && offset < PAGE_LENGTH, "{offset} is no place of a number");
        // SAFETY:
        // - The place is inside the mapping, which lives as long as `self`, and aligned, as mappings begin at pages.
        // - Everybody reads it atomically, and a relaxed load of 8 bytes may be of read-only memory on x86_64 and aarch64.
        let number = unsafe { &*self.page.as_ptr().add(offset).cast::<AtomicU64>() };
        let now = u64::from_le(number.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        now
    }
}
