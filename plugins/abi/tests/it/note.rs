//! The note: what is written is read back, and no bytes make the reader fail otherwise than with an error.

use plugin_abi::note::{self, Problem, RawNotes, DESCRIPTOR_SIZE};
use plugin_abi::{Identity, Note, NoteError, ABI_MAJOR, ABI_MINOR};

const IDENTITY: Identity<'static> = Identity {
    abi_major: ABI_MAJOR,
    abi_minor: ABI_MINOR,
    kind: 1,
    name: "ip",
    version: "1.2.3-beta.1",
    entry: "dynlab_plugin_ip",
    target: "x86_64-unknown-linux-gnu",
    compiler: "rustc 1.63.0",
    profile: "release",
    source_digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
};
pub(crate) static NOTE: Note = Note::new(&IDENTITY);

fn bytes_of(note: &Note) -> Vec<u8> {
    // SAFETY: a note is integers and byte arrays without padding.
    unsafe { std::slice::from_raw_parts((note as *const Note).cast::<u8>(), std::mem::size_of::<Note>()) }
        .to_vec()
}

fn foreign(owner: &[u8], descriptor: &[u8], align: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((owner.len() as u32).to_le_bytes());
    bytes.extend((descriptor.len() as u32).to_le_bytes());
    bytes.extend(3_u32.to_le_bytes());
    for part in [owner, descriptor] {
        bytes.extend(part);
        bytes.resize((bytes.len() + align - 1) / align * align, 0);
    }
    bytes
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(NOTE.identity(), Ok(IDENTITY));
    let bytes = bytes_of(&NOTE);
    let descriptor = note::find(&bytes, 4).unwrap().unwrap();
    assert_eq!(Identity::parse(descriptor), Ok(IDENTITY));
}

#[test]
fn found_among_foreign_notes() {
    let build_id = foreign(b"GNU\0", &[7; 20], 4);
    for segment in
        [[build_id.clone(), bytes_of(&NOTE)].concat(), [bytes_of(&NOTE), build_id.clone()].concat()]
    {
        let descriptor = note::find(&segment, 4).unwrap().unwrap();
        assert_eq!(Identity::parse(descriptor), Ok(IDENTITY));
    }
    assert_eq!(note::find(&build_id, 4), Ok(None));
    assert_eq!(note::find(&[], 4), Ok(None));
    assert_eq!(note::find(&[0; 64], 4), Ok(None), "padding alone");
}

#[test]
fn notes_padded_to_eight_bytes_are_walked() {
    let property = foreign(b"GNU\0", &[1; 12], 8);
    let two = [property.clone(), property].concat();
    let notes: Vec<_> = RawNotes::new(&two, 8).collect();
    assert_eq!(notes.len(), 2);
    assert!(notes.iter().all(|note| note.unwrap().descriptor == [1; 12]));
}

#[test]
fn a_longer_descriptor_of_a_later_version_is_read() {
    let mut descriptor = bytes_of(&NOTE)[20..].to_vec();
    descriptor.extend([0xff; 40]);
    assert_eq!(Identity::parse(&descriptor), Ok(IDENTITY));
}

#[test]
fn another_abi_and_an_unknown_kind_are_still_identified() {
    let note = Note::new(&Identity { abi_major: 9, kind: 77, ..IDENTITY });
    let identity = note.identity().unwrap();
    assert_eq!((identity.abi_major, identity.kind, identity.known_kind()), (9, 77, None));
}

#[test]
fn broken_fields_are_named() {
    let field = |field, problem| Err(NoteError::Field { field, problem });
    let check = |offset: usize, with: &[u8], expected: Result<Identity<'_>, NoteError>| {
        let mut descriptor = bytes_of(&NOTE)[20..].to_vec();
        descriptor[offset..offset + with.len()].copy_from_slice(with);
        assert_eq!(Identity::parse(&descriptor), expected);
    };
    check(8, &[b'a'; 64], field("name", Problem::NotTerminated));
    check(8, b"ip\0ip", field("name", Problem::BytesAfterEnd));
    check(8, b"i\xffp", field("name", Problem::NotPrintable));
    check(8, b"../ip", field("name", Problem::BreaksRule));
    check(8, b"\0\0", field("name", Problem::BreaksRule));
    check(72, b"1.2\0\0\0\0\0\0\0\0\0", field("version", Problem::BreaksRule));
    check(168, b"x86 64", field("target", Problem::BreaksRule));
}

#[test]
fn two_notes_and_foreign_types_are_refused() {
    let ours = bytes_of(&NOTE);
    assert_eq!(note::find(&[ours.clone(), ours.clone()].concat(), 4), Err(NoteError::Twice));
    let mut other_type = ours;
    other_type[8] = 2;
    assert_eq!(note::find(&other_type, 4), Err(NoteError::UnknownType { note_type: 2 }));
}

#[test]
fn every_truncation_is_an_error_or_nothing() {
    let bytes = bytes_of(&NOTE);
    for end in 1..bytes.len() {
        assert_eq!(note::find(&bytes[..end], 4), Err(NoteError::RunsPastSegment { offset: 0 }), "{end}");
    }
    for end in 0..DESCRIPTOR_SIZE {
        let error = Identity::parse(&bytes[20..20 + end]);
        assert_eq!(error, Err(NoteError::DescriptorTooShort { size: end }));
    }
}

/// Deterministic noise: whatever the bytes, the reader returns.
#[test]
fn total_on_hostile_bytes() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let mut bytes = [bytes_of(&NOTE), foreign(b"GNU\0", &[0; 16], 4)].concat();
        for _ in 0..random() % 6 {
            let at = random() as usize % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(random() as usize % (bytes.len() + 1));
        let align = [0, 1, 4, 8, u64::MAX][random() as usize % 5];
        if let Ok(Some(descriptor)) = note::find(&bytes, align) {
            let _ = Identity::parse(descriptor);
        }
    }
    for sizes in [[u32::MAX; 3], [u32::MAX, 0, 0], [0, u32::MAX, 0], [7, u32::MAX - 3, 1]] {
        let bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).chain([0; 64]).collect();
        assert_eq!(note::find(&bytes, 4), Err(NoteError::RunsPastSegment { offset: 0 }));
    }
}

/// A null note is all zeros, as what is left behind the last one: telling them apart must not take longer with each note. If it
/// does, this takes hours.
#[test]
fn millions_of_empty_notes_are_walked_once() {
    let mut segment = vec![0; 8 << 20];
    segment.extend(bytes_of(&NOTE));
    // So that ours begins where a note of twelve bytes can end.
    let segment = &segment[(8 << 20) % 12..];
    let descriptor = note::find(segment, 4).unwrap().unwrap();
    assert_eq!(Identity::parse(descriptor), Ok(IDENTITY));
    assert_eq!(note::find(&[0; 8 << 20], 4), Ok(None));
}
