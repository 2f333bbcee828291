//! Walks the notes of a PT_NOTE segment (or of a note section) and finds ours.

use super::{NoteError, NOTE_TYPE, OWNER};

/// Finds the descriptor of the Dynlab note in the bytes of one segment; give it to [`Identity::parse`](super::Identity).
///
/// `align` is the segment's `p_align`: 8 means that notes are padded to 8 bytes, everything else that they are padded to
/// 4 (the gABI says 8 for 64-bit files, all tools use 4 except for `.note.gnu.property`). `Ok(None)`: no note of ours.
///
/// # Errors
/// If a note runs past the segment before ours was found, if there are two of ours, or ours has a type we do not know.
pub fn find(segment: &[u8], align: u64) -> Result<Option<&[u8]>, NoteError> {
    let mut found = None;
    for note in RawNotes::new(segment, align) {
        let note = match (note, found) {
            (Ok(note), _) => note,
            (Err(error), None) => return Err(error),
            // What follows our note is not ours to judge: the loader does not read it either.
            (Err(_), Some(_)) => break,
        };
        if note.owner != OWNER {
            continue;
        }
        if found.is_some() {
            return Err(NoteError::Twice);
        }
        if note.note_type != NOTE_TYPE {
            return Err(NoteError::UnknownType { note_type: note.note_type });
        }
        found = Some(note.descriptor);
    }
    Ok(found)
}

/// One note, its descriptor not yet understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawNote<'a> {
    /// Owner with its terminating NUL.
    pub owner: &'a [u8],
    /// Type, whose meaning is the owner's.
    pub note_type: u32,
    /// Descriptor without padding.
    pub descriptor: &'a [u8],
}

/// Iterator over the notes of a segment; ends after the first error.
#[derive(Debug, Clone)]
pub struct RawNotes<'a> {
    segment: &'a [u8],
    offset: usize,
    align: usize,
    /// Everything from `offset` to here is known to be zero: a segment of empty notes is looked through once, and not once a note.
    zeros_until: usize,
}

impl<'a> RawNotes<'a> {
    /// Starts at the beginning of `segment`; for `align` see [`find`].
    pub fn new(segment: &'a [u8], align: u64) -> RawNotes<'a> {
        RawNotes { segment, offset: 0, align: if align == 8 { 8 } else { 4 }, zeros_until: 0 }
    }

    /// The next `size` bytes at the cursor, which then moves past them and their padding.
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let end = self.offset.checked_add(size)?;
        let bytes = self.segment.get(self.offset..end)?;
        let padded = end.checked_add(self.align - 1)? & !(self.align - 1);
        // The padding of the last note may be missing.
        self.offset = if padded < self.segment.len() { padded } else { self.segment.len() };
        Some(bytes)
    }

    /// Whether nothing but zeros is left: the end, or padding that a linker left behind the last note.
    fn is_at_end(&mut self) -> bool {
        if self.zeros_until <= self.offset {
            let rest = &self.segment[self.offset..];
            let zeros = rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len());
            self.zeros_until = self.offset + zeros;
        }
        self.zeros_until == self.segment.len()
    }

    fn take_note(&mut self) -> Option<RawNote<'a>> {
        let header = self.segment.get(self.offset..self.offset.checked_add(12)?)?;
        self.offset += 12;
        let owner = self.take(number_at(header, 0) as usize)?;
        let descriptor = self.take(number_at(header, 4) as usize)?;
        Some(RawNote { owner, note_type: number_at(header, 8), descriptor })
    }
}

impl<'a> Iterator for RawNotes<'a> {
    type Item = Result<RawNote<'a>, NoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.offset;
        if self.is_at_end() {
            return None;
        }
        let note = self.take_note();
        if note.is_none() {
            self.offset = self.segment.len();
        }
        Some(note.ok_or(NoteError::RunsPastSegment { offset: start }))
    }
}

fn number_at(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
