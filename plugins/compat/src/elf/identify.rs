//! What a file is when it is not an ELF file.

/// Names the kind of file that `bytes` begin, with its article, or `None` for an ELF file.
pub(super) fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"!<arch>\n", "a static library (ar archive)"),
        (b"!<thin>\n", "a static library (thin ar archive)"),
        (b"#!", "a script"),
        (b"MZ", "a Windows executable or DLL (PE)"),
        (b"\xcf\xfa\xed\xfe", "a macOS binary (Mach-O)"),
        (b"\xce\xfa\xed\xfe", "a macOS binary (Mach-O, 32-bit)"),
        (b"\xca\xfe\xba\xbe", "a macOS universal binary or a Java class"),
        (b"\0asm", "a WebAssembly module"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"\x1f\x8b", "gzip-compressed data"),
        (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
        (b"\xfd7zXZ\0", "xz-compressed data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"/* GNU ld script", "a linker script (GNU ld)"),
    ];
    if bytes.starts_with(b"\x7fELF") {
        return None;
    }
    if bytes.is_empty() {
        return Some("an empty file");
    }
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(name);
    }
    let beginning = &bytes[..bytes.len().min(512)];
    if beginning.iter().all(|byte| *byte == 0) {
        return Some("a file that begins with zeros");
    }
    if beginning.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e)) {
        return Some("text");
    }
    Some("data of an unknown format")
}
