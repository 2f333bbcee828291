//! Notes: the contract's identity and the GNU property that names the needed processor level.

use plugin_abi::note::{Identity, NoteError, RawNote, RawNotes, find};

use super::{Window, image::Image};
use crate::{AbiVersion, ContractNote, PluginIdentity};

const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
/// Of the note segment that holds properties, in bytes; of every property, too.
const PROPERTY_ALIGNMENT: u64 = 8;
/// x86 psABI: what all parts of the object have in common.
const GNU_PROPERTY_X86_FEATURE_1_AND: u32 = 0xc000_0002;
/// x86 psABI: processor levels the object needs, one bit a level.
const GNU_PROPERTY_X86_ISA_1_NEEDED: u32 = 0xc000_8002;

/// The contract's note in the file's note segments: those are loaded, so it survives `strip` and is the same note
/// that can be found in the loaded object.
pub(super) fn contract_note(image: &Image<'_>) -> ContractNote {
    // A hundred thousand segments that are one and the same place would be read a hundred thousand times.
    let length = image.notes().fold(0, |sum: usize, (segment, _)| sum.saturating_add(segment.len()));
    if length > image.file_length() {
        return ContractNote::Garbled { problem: "its note segments overlap".to_owned() };
    }
    match find_identity(image) {
        Ok(None) => ContractNote::Missing,
        Ok(Some(identity)) => ContractNote::Present(identity),
        Err(error) => ContractNote::Garbled { problem: error.to_string() },
    }
}

fn find_identity(image: &Image<'_>) -> Result<Option<PluginIdentity>, NoteError> {
    let mut found = None;
    for (segment, alignment) in image.notes() {
        let Some(descriptor) = find(segment, alignment)? else { continue };
        if found.replace(descriptor).is_some() {
            return Err(NoteError::Twice);
        }
    }
    found.map(|descriptor| Identity::parse(descriptor).map(own)).transpose()
}

fn own(identity: Identity<'_>) -> PluginIdentity {
    PluginIdentity {
        abi: AbiVersion { major: identity.abi_major, minor: identity.abi_minor },
        kind: identity.kind,
        name: identity.name.to_owned(),
        version: identity.version.to_owned(),
        entry: identity.entry.to_owned(),
        target: identity.target.to_owned(),
        compiler: identity.compiler.to_owned(),
        profile: identity.profile.to_owned(),
        source_digest: identity.source_digest.to_owned(),
    }
}

/// The x86-64 level the file was marked to need, if it was: that of the highest bit. glibc takes the properties from the last note segment of its own
/// alignment and, on this machine, not from the segment that is for them (sysdeps/x86/dl-prop.h, `_dl_process_property_note`; seen with 2.36 and 2.41).
pub(super) fn x86_64_level(image: &Image<'_>) -> Option<u8> {
    let (segment, _) = image.notes().filter(|(_, alignment)| *alignment == PROPERTY_ALIGNMENT).last()?;
    let of_properties =
        |note: &RawNote<'_>| note.owner == b"GNU\0" && note.note_type == NT_GNU_PROPERTY_TYPE_0;
    let mut notes = RawNotes::new(segment, PROPERTY_ALIGNMENT).map_while(Result::ok).filter(of_properties);
    let note = notes.next()?;
    // Two of them are what older linkers leave that do not know how to merge them.
    let levels = if notes.next().is_none() { needed_levels(note.descriptor)? } else { 0 };
    (levels != 0).then(|| (32 - levels.leading_zeros()) as u8)
}

/// The value of the property, one bit a level. Properties come in ascending order.
fn needed_levels(properties: &[u8]) -> Option<u32> {
    if properties.len() % PROPERTY_ALIGNMENT as usize != 0 {
        return None;
    }
    let window = Window(properties);
    let (mut at, mut last) = (0_usize, 0);
    loop {
        let (kind, length) = (window.u32(at)?, window.u32(at + 4)? as usize);
        let value = at + 8;
        let end = value.checked_add(length).filter(|end| *end <= properties.len())?;
        match kind {
            GNU_PROPERTY_X86_ISA_1_NEEDED if length == 4 => return window.u32(value),
            GNU_PROPERTY_X86_FEATURE_1_AND if length != 4 => return None,
            _ if kind < last || kind >= GNU_PROPERTY_X86_ISA_1_NEEDED => return None,
            _ => {}
        }
        (at, last) = (end.next_multiple_of(PROPERTY_ALIGNMENT as usize), kind);
    }
}
