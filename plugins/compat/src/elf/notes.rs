//! Notes: the contract's identity and the GNU property that names the needed processor level.

use plugin_abi::note::{Identity, NoteError, RawNotes, find};

use super::{Window, image::Image};
use crate::{AbiVersion, ContractNote, PluginIdentity};

const NT_GNU_PROPERTY_TYPE_0: u32 = 5;
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

/// The x86-64 level (1 to 4) the file was marked to need, if it was.
pub(super) fn x86_64_level(image: &Image<'_>) -> Option<u8> {
    let note = RawNotes::new(image.gnu_property()?, 8).next()?.ok()?;
    if note.owner != b"GNU\0" || note.note_type != NT_GNU_PROPERTY_TYPE_0 {
        return None;
    }
    let properties = Window(note.descriptor);
    let mut at: usize = 0;
    while let (Some(kind), Some(length)) = (properties.u32(at), properties.u32(at.checked_add(4)?)) {
        if kind == GNU_PROPERTY_X86_ISA_1_NEEDED {
            let levels = properties.u32(at + 8)?;
            return (levels != 0).then(|| (32 - levels.leading_zeros()) as u8);
        }
        at = at.checked_add(8)?.checked_add(length as usize)?.checked_next_multiple_of(8)?;
    }
    None
}
