//! The reason against a file that gives no facts.

use super::listing::shown;
use crate::{Code, ElfError, FileKind, Reason};

pub(super) fn reason(error: &ElfError) -> Reason {
    match error {
        ElfError::NotElf { found, leads_to } => Reason::new(
            Code::ElfNotElf,
            format!(
                "the file is {found}, hosts load ELF shared libraries; {}",
                cure(*found, leads_to.as_deref())
            ),
        ),
        ElfError::Truncated { part, needs, has } => Reason::new(
            Code::ElfTruncated,
            format!("{part} ends at byte {needs}, the file at byte {has}; it was cut short, copy it again"),
        ),
        ElfError::Malformed { what } => Reason::new(
            Code::ElfMalformed,
            format!("the file contradicts itself: {what}; build it again or copy it again"),
        ),
    }
}

/// What whoever has such a file most likely wants to do.
fn cure(found: FileKind, leads_to: Option<&str>) -> String {
    let cure = match found {
        FileKind::LinkerScript => {
            return match leads_to {
                Some(library) => format!("take what it leads to, {}", shown(library)),
                None => "take the library that it leads to".to_owned(),
            };
        }
        FileKind::Archive | FileKind::ThinArchive => {
            "build a cdylib in place of a staticlib, or link its objects (cc -shared -Wl,--whole-archive)"
        }
        FileKind::Bitcode => "compile it to machine code and link that (cc -shared)",
        FileKind::Pe | FileKind::MachO | FileKind::UniversalMachO | FileKind::Wasm | FileKind::JavaClass => {
            "build a cdylib (or cc -shared) for Linux"
        }
        FileKind::Deb
        | FileKind::Rpm
        | FileKind::Zip
        | FileKind::Tar
        | FileKind::Gzip
        | FileKind::Zstd
        | FileKind::Xz
        | FileKind::Bzip2 => "unpack it, and take the library that is in it",
        FileKind::GitLfsPointer => "fetch the file that it stands for (git lfs pull)",
        FileKind::Html => "it may be what a download got in place of the file; fetch that again",
        FileKind::Empty | FileKind::Zeros => "it was not written to its end; copy it again",
        _ => "build a cdylib (or cc -shared)",
    };
    cure.to_owned()
}
