//! What a file is when it is not an ELF file.

use super::{ElfError, Window, linker_script};
use crate::FileKind;

/// So much of a file is looked at, in bytes.
const LOOKED_AT: usize = 4096;

/// What files of a format begin with. The sources of formats that are no standard: file(1)'s `magic` folder.
const MAGIC: &[(&[u8], FileKind)] = &[
    (b"!<arch>\ndebian-binary", FileKind::Deb),
    (b"!<arch>\n", FileKind::Archive),
    (b"<bigaf>\n", FileKind::Archive),
    (b"!<thin>\n", FileKind::ThinArchive),
    // Of which nothing more was understood.
    (b"/* GNU ld script", FileKind::LinkerScript),
    (b"#!", FileKind::Script),
    (b"MZ", FileKind::Pe),
    (b"\xcf\xfa\xed\xfe", FileKind::MachO),
    (b"\xce\xfa\xed\xfe", FileKind::MachO),
    (b"\xfe\xed\xfa\xcf", FileKind::MachO),
    (b"\xfe\xed\xfa\xce", FileKind::MachO),
    (b"\xca\xfe\xba\xbf", FileKind::UniversalMachO),
    (b"\0asm", FileKind::Wasm),
    (b"BC\xc0\xde", FileKind::Bitcode),
    (b"\xde\xc0\x17\x0b", FileKind::Bitcode),
    (b"\xed\xab\xee\xdb", FileKind::Rpm),
    (b"\x1f\x8b", FileKind::Gzip),
    (b"\x28\xb5\x2f\xfd", FileKind::Zstd),
    (b"\xfd7zXZ\0", FileKind::Xz),
    (b"BZh", FileKind::Bzip2),
    (b"PK\x03\x04", FileKind::Zip),
    (b"version https://git-lfs.github.com/spec/", FileKind::GitLfsPointer),
];

/// Says what `bytes` are if they are no ELF file.
pub(super) fn foreign(bytes: &[u8]) -> Option<ElfError> {
    if bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let beginning = &bytes[..bytes.len().min(LOOKED_AT)];
    if let Some(script) = text(beginning).and_then(linker_script::read) {
        return Some(ElfError::NotElf { found: FileKind::LinkerScript, leads_to: script.leads_to });
    }
    Some(ElfError::NotElf { found: kind(beginning), leads_to: None })
}

fn kind(beginning: &[u8]) -> FileKind {
    if beginning.is_empty() {
        return FileKind::Empty;
    }
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        return *kind;
    }
    // Java's files and macOS' have the same four bytes. Then come the number of processors, which are few, or Java's version, which is 45 at least.
    if beginning.starts_with(b"\xca\xfe\xba\xbe") {
        let second = Window(beginning).u32(4).map_or(0, u32::swap_bytes);
        return if second < 45 { FileKind::UniversalMachO } else { FileKind::JavaClass };
    }
    // POSIX pax, "ustar Interchange Format".
    if beginning.get(257..262) == Some(b"ustar") {
        return FileKind::Tar;
    }
    if beginning.iter().all(|byte| *byte == 0) {
        return FileKind::Zeros;
    }
    match text(beginning) {
        Some(words) if is_html(words) => FileKind::Html,
        Some(_) => FileKind::Text,
        None => FileKind::Unknown,
    }
}

/// The beginning as text: UTF-8, which may break off within its last character, without control characters but for white space.
fn text(beginning: &[u8]) -> Option<&str> {
    let whole = match std::str::from_utf8(beginning) {
        Ok(words) => words,
        Err(error) if error.error_len().is_none() && beginning.len() == LOOKED_AT => {
            std::str::from_utf8(&beginning[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_of_text = |one: char| !one.is_control() || one.is_ascii_whitespace();
    whole.chars().all(is_of_text).then_some(whole)
}

fn is_html(words: &str) -> bool {
    let start = words.trim_start().as_bytes();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(tag)))
}
