//! Files that are no plugins are named as what they are.

use plugin_compat::{ElfError, ElfFacts, ObjectType};

use crate::fake_host::FakeHost;
use crate::toolchain::Workshop;

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "an empty file"),
        (b"!<arch>\nlibc.o/ 0 ", "a static library (ar archive)"),
        (b"#!/bin/sh\n", "a script"),
        (b"MZ\x90\0", "a Windows executable or DLL (PE)"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "a macOS binary (Mach-O)"),
        (b"/* GNU ld script */ INPUT(libc.so.6)", "a linker script (GNU ld)"),
        (b"hello\n", "text"),
        (&[0; 64], "a file that begins with zeros"),
        (b"\x80\x81\x82", "data of an unknown format"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(ElfFacts::parse(bytes), Err(ElfError::NotElf { found: expected }));
    }
}

#[test]
fn core_dumps_and_relocatable_objects_are_elf_but_not_libraries() {
    let workshop = Workshop::new();
    let object = workshop.compile("object.o", "int value;", &["-c"]);
    let mut bytes = std::fs::read(object).expect("what cc wrote");
    let type_of = |bytes: &[u8]| ElfFacts::parse(bytes).expect("an ELF file").object_type;
    assert_eq!(type_of(&bytes), ObjectType::Relocatable);
    bytes[16] = 4;
    assert_eq!(type_of(&bytes), ObjectType::Core);
}

#[test]
fn links_lead_nowhere_outside_the_root() {
    // The loader's link is absolute and the folder it names exists only inside the root.
    let host = FakeHost::glibc("2.31");
    let facts = host.reader().into_facts();
    let libc = facts.libc.expect("a C library");
    assert_eq!(libc.version.map(|version| version.to_string()).as_deref(), Some("2.31"));
    assert!(facts.libraries.contains_key(&libc.path));
}
