//! What a dynamic loader's message means: glibc and musl name their reasons in prose only.
//!
//! The sentences are those of glibc's `elf/dl-load.c`, `elf/dl-version.c` and `elf/dl-lookup.c`
//! (2.31 to 2.41) and of musl's `ldso/dynlink.c` (1.2.2 to 1.2.5).

/// The verdict code that `message` confirms, if it says so clearly. `path` is what was opened: the
/// loaders' complaint that a file is missing means a dependency only if it names another file.
pub(crate) fn code(message: &str, path: &str) -> Option<&'static str> {
    let sentences: [(&[&str], &str); 11] = [
        (&["undefined symbol:", ": symbol not found"], "symbol.undefined"),
        (&["' not found (required by "], "libc.symbol-version"),
        (&["invalid ELF header"], "elf.not-elf"),
        (&["file too short", "cannot read file data"], "elf.truncated"),
        (&["wrong ELF class"], "elf.class"),
        (&["cannot dynamically load", "only ET_DYN"], "elf.type"),
        (&["object file has no dynamic section"], "elf.static"),
        (&["ELF file OS ABI invalid", "ELF file ABI version invalid"], "elf.os-abi"),
        (&["unsupported relocation type", "unexpected reloc type"], "elf.machine"),
        (
            &[
                "object file has no loadable segments",
                "ELF load command",
                "ELF file version",
                "ELF file's phentsize",
                "nonzero padding in e_ident",
            ],
            "elf.malformed",
        ),
        (&["Dynamic loading not supported"], "host.static"),
    ];
    let said = |needles: &[&str]| needles.iter().any(|needle| message.contains(needle));
    if let Some((_, code)) = sentences.iter().find(|(needles, _)| said(needles)) {
        return Some(code);
    }
    let missing = ["No such file or directory", "cannot open shared object file"];
    (said(&missing) && !message.contains(&format!("{path}:"))).then_some("library.missing")
}

#[cfg(test)]
mod tests {
    use super::code;

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
            // musl 1.2.3
            (
                "Error loading shared library libnobody.so.1: No such file or directory (needed by /proc/self/fd/3)",
                Some("library.missing"),
            ),
            ("Error relocating /proc/self/fd/3: nobody_has_this: symbol not found", Some("symbol.undefined")),
            ("Error loading shared library /proc/self/fd/3: Exec format error", None),
        ];
        for (message, expected) in cases {
            assert_eq!(code(message, "/proc/self/fd/3"), expected, "{message}");
        }
    }
}
