//! The identity note as it lies in memory, in an object that the loader has mapped.
//!
//! Deliberately not the parser that judges files: what the loader sees (program headers, addresses)
//! is asked, so that a mistake in one of the two shows as a disagreement.

use std::ffi::{CStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A note segment in memory.
#[derive(Debug)]
pub(crate) struct NoteSegment {
    pub(crate) content: Vec<u8>,
    /// What its notes are padded to, as the program header claims.
    pub(crate) align: u64,
}

/// The note segments of the object that was loaded from `path`; `None` if no object of that name is
/// loaded.
pub(crate) fn note_segments(path: &Path) -> Option<Vec<NoteSegment>> {
    let mut search = Search { name: path.as_os_str().as_bytes(), found: None };
    // SAFETY: the callback runs before the call returns and `search` outlives it.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast::<c_void>()) };
    search.found
}

struct Search<'a> {
    name: &'a [u8],
    found: Option<Vec<NoteSegment>>,
}

/// See dl_iterate_phdr(3): a value other than 0 ends the walk.
unsafe extern "C" fn visit(object: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr hands on the pointer that `note_segments` gave it.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: the loader gives a valid description of each object.
    let object = unsafe { &*object };
    if object.dlpi_name.is_null() || object.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the name of a loaded object is NUL-terminated and lives as long as the object.
    let name = unsafe { CStr::from_ptr(object.dlpi_name) };
    if name.to_bytes() != search.name {
        return 0;
    }
    // SAFETY: the loader states how many headers there are at this address.
    let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)) };
    let base = object.dlpi_addr as usize;
    let segments = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_NOTE && is_mapped(header, headers))
        .map(|header| {
            let start = base.wrapping_add(header.p_vaddr as usize) as *const u8;
            // SAFETY: the segment lies within the file content of a readable PT_LOAD segment of
            // an object that is loaded and never unloaded.
            let content = unsafe { std::slice::from_raw_parts(start, header.p_filesz as usize) };
            NoteSegment { content: content.to_vec(), align: header.p_align }
        });
    search.found = Some(segments.collect());
    1
}

/// Program headers are the file author's claims: a note segment may point anywhere.
fn is_mapped(note: &Header, headers: &[Header]) -> bool {
    headers.iter().any(|load| {
        load.p_type == libc::PT_LOAD
            && load.p_flags & libc::PF_R != 0
            && note.p_vaddr >= load.p_vaddr
            && (note.p_vaddr - load.p_vaddr)
                .checked_add(note.p_filesz)
                .is_some_and(|end| end <= load.p_filesz)
    })
}

#[cfg(target_pointer_width = "64")]
type Header = libc::Elf64_Phdr;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_program_has_notes_and_an_unknown_name_has_none() {
        assert!(note_segments(Path::new("")).is_some());
        assert!(note_segments(Path::new("/no/such/object.so")).is_none());
    }
}
