//! What a dynamic loader's message means: glibc and musl name their reasons in prose only.
//!
//! The sentences are those of glibc's `elf/dl-load.c`, `elf/dl-version.c`, `elf/dl-lookup.c`, `elf/dl-reloc.c` and
//! `sysdeps/x86/dl-prop.h` (2.31 to 2.41) and of musl's `ldso/dynlink.c` (1.2.2 to 1.2.5).

use crate::Code;

/// The code that a loader's message (dlerror(3)) confirms, if it says so clearly; of codes that differ only in the library that
/// lacks a version, the one of the C library.
///
/// `path` is what was opened: the loaders' complaint that a file is missing means a needed library only if it names another
/// file.
pub fn code_of_message(message: &str, path: &str) -> Option<Code> {
    let sentences: [(&[&str], Code); 15] = [
        (&["undefined symbol:", ": symbol not found"], Code::SymbolUndefined),
        (&["' not found (required by "], Code::LibcSymbolVersion),
        (
            &["cannot allocate memory in static TLS block", "initial-exec TLS resolves to"],
            Code::LibcStaticTls,
        ),
        (&["cannot enable executable stack"], Code::LibcExecutableStack),
        (&["shared object cannot be dlopen()ed"], Code::ElfNoOpen),
        (&["CPU ISA level is lower than required"], Code::LibcProcessorLevel),
        (&["invalid ELF header"], Code::ElfNotElf),
        (&["file too short", "cannot read file data"], Code::ElfTruncated),
        (&["wrong ELF class"], Code::ElfClass),
        (&["cannot dynamically load", "only ET_DYN"], Code::ElfType),
        (&["object file has no dynamic section"], Code::ElfStatic),
        (&["ELF file OS ABI invalid", "ELF file ABI version invalid"], Code::ElfOsAbi),
        (&["unsupported relocation type", "unexpected reloc type"], Code::ElfMachine),
        (
            &[
                "object file has no loadable segments",
                "ELF load command",
                "ELF file version",
                "ELF file's phentsize",
                "nonzero padding in e_ident",
            ],
            Code::ElfMalformed,
        ),
        (&["Dynamic loading not supported"], Code::HostStatic),
    ];
    let said = |needles: &[&str]| needles.iter().any(|needle| message.contains(needle));
    if let Some((_, code)) = sentences.iter().find(|(needles, _)| said(needles)) {
        return Some(*code);
    }
    let missing = ["No such file or directory", "cannot open shared object file"];
    (said(&missing) && !message.contains(&format!("{path}:"))).then_some(Code::LibraryMissing)
}

#[cfg(test)]
mod tests {
    use super::code_of_message;

    /// Recorded from the loaders named.
    #[test]
    fn recorded_messages_give_their_code() {
        let cases = [
            // glibc 2.36
            ("/proc/self/fd/3: undefined symbol: nobody_has_this", Some("symbol.undefined")),
            (
                "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /proc/self/fd/3)",
                Some("libc.symbol-version"),
            ),
            ("/proc/self/fd/3: invalid ELF header", Some("elf.not-elf")),
            ("/proc/self/fd/3: file too short", Some("elf.truncated")),
            ("/proc/self/fd/3: cannot read file data", Some("elf.truncated")),
            ("/proc/self/fd/3: wrong ELF class: ELFCLASS32", Some("elf.class")),
            ("/proc/self/fd/3: cannot dynamically load position-independent executable", Some("elf.type")),
            (
                "libnobody.so.1: cannot open shared object file: No such file or directory",
                Some("library.missing"),
            ),
            // What glibc says of another machine's file: nothing to go by.
            ("/proc/self/fd/3: cannot open shared object file: No such file or directory", None),
            ("/a/t.so: cannot allocate memory in static TLS block", Some("libc.static-tls")),
            ("/a/v5.so: CPU ISA level is lower than required", Some("libc.processor-level")),
            // musl 1.2.3
            (
                "Error loading shared library libnobody.so.1: No such file or directory (needed by /proc/self/fd/3)",
                Some("library.missing"),
            ),
            ("Error relocating /proc/self/fd/3: nobody_has_this: symbol not found", Some("symbol.undefined")),
            ("Error loading shared library /proc/self/fd/3: Exec format error", None),
        ];
        for (message, expected) in cases {
            let code = code_of_message(message, "/proc/self/fd/3").map(|code| code.as_str());
            assert_eq!(code, expected, "{message}");
        }
    }
}
