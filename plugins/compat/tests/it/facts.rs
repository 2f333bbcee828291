//! Facts of files whose making is known.

use std::fs;

use plugin_compat::{ElfFacts, LibcFamily, Linkage, SymbolKind};

use crate::contract_note::Note;
use crate::fake_host::{FakeHost, build_glibc};
use crate::forge::Forge;

fn library(source: &str, arguments: &[&str]) -> ElfFacts {
    let host = FakeHost::glibc("2.36");
    build_glibc(&host.workshop, "newest/libc.so.6", "2.38");
    ElfFacts::parse(&host.workshop.library("library.so", source, arguments)).expect("an ELF file")
}

#[test]
fn a_library_tells_its_needs_and_offers() {
    let source = "void base_call(void); void fmod_of_38(void); extern int object_elsewhere[];
        __attribute__((weak)) void maybe(void); void unused_reference(void);
        int *pointer = object_elsewhere; int offered; void work(void) { base_call(); fmod_of_38(); if (maybe) maybe(); }";
    let facts = library(source, &["newest/libc.so.6", "-Wl,-soname,libown.so.1"]);
    assert_eq!(facts.linkage, Linkage::SharedLibrary);
    assert_eq!(facts.soname.as_deref(), Some("libown.so.1"));
    assert_eq!(facts.needed.iter().map(|name| &**name).collect::<Vec<_>>(), ["libc.so.6"]);
    assert_eq!(facts.libc, Some(LibcFamily::Glibc));
    assert_eq!(facts.glibc_floor.map(|floor| floor.to_string()).as_deref(), Some("2.38"));
    assert_eq!(facts.interpreter, None);
    assert!(!facts.traits.executable_stack && !facts.traits.static_tls);

    let imports: Vec<String> = facts
        .imports
        .iter()
        .map(|import| {
            let version = import.version.as_deref().unwrap_or("-");
            let library = import.library.as_deref().unwrap_or("-");
            format!("{} {version} {library}{}", import.name, if import.weak { " weak" } else { "" })
        })
        .collect();
    insta::assert_snapshot!(imports.join("\n"), @r"
    base_call GLIBC_2.17 libc.so.6
    fmod_of_38 GLIBC_2.38 libc.so.6
    maybe - - weak
    object_elsewhere - -
    ");
    let exports: Vec<&str> = facts.exports.iter().map(|export| &*export.name).collect();
    assert_eq!(exports, ["offered", "pointer", "work"]);
    assert_eq!(facts.exports_named("work").next().unwrap().kind, SymbolKind::Function);
    assert_eq!(facts.exports_named("offered").next().unwrap().kind, SymbolKind::Object);
    assert!(!facts.exports_symbol("wor") && !facts.exports_symbol("zzz"));
}

#[test]
fn traits_are_read_from_where_the_loader_reads_them() {
    let thread_local = "__thread int own; int *work(void) { return &own; }";
    let general = library(thread_local, &[]).traits;
    assert!(!general.static_tls && !general.initial_exec_tls);
    let initial_exec = library(thread_local, &["-ftls-model=initial-exec"]).traits;
    assert!(initial_exec.static_tls && initial_exec.initial_exec_tls);
    assert!(library("int a;", &["-Wl,-z,execstack"]).traits.executable_stack);
    assert!(library("int a;", &["-Wl,-z,nodefaultlib"]).traits.no_default_folders);
    for (style, sysv, gnu) in [("sysv", true, false), ("gnu", false, true), ("both", true, true)] {
        let tables = library("int a;", &[&format!("-Wl,--hash-style={style}")]).hash_tables;
        assert_eq!((tables.sysv, tables.gnu), (sysv, gnu), "{style}");
    }
    let elsewhere = library(
        "extern __thread int other; int *work(void) { return &other; }",
        &["-ftls-model=initial-exec"],
    );
    assert!(elsewhere.traits.static_tls && !elsewhere.traits.initial_exec_tls);
}

/// Recorded: what glibc 2.36 and 2.41 made of each, with the fifth level in place of the third.
#[test]
fn the_level_of_processors_is_read_as_glibc_reads_it() {
    const NOTE: u32 = 4;
    const GNU_PROPERTY: u32 = 0x6474_e553;
    let property = |kind: u32, value: &[u8]| {
        let mut bytes = [kind.to_le_bytes(), (value.len() as u32).to_le_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let note = |owner: &[u8], properties: &[Vec<u8>]| {
        let properties = properties.concat();
        let mut bytes = [4u32, properties.len() as u32, 5].map(u32::to_le_bytes).concat();
        bytes.extend(owner);
        bytes.extend(properties);
        bytes
    };
    let needed = |levels: u32| property(0xc000_8002, &levels.to_le_bytes());
    let common = || property(0xc000_0002, &3u32.to_le_bytes());
    let used = || property(0xc001_0002, &1u32.to_le_bytes());
    let of = |properties: &[Vec<u8>]| note(b"GNU\0", properties);
    let cases = [
        (vec![(NOTE, of(&[needed(0b111)]))], Some(3)),
        (vec![(NOTE, of(&[needed(0b100)]))], Some(3)),
        (vec![(NOTE, of(&[needed(0)]))], None),
        (vec![(NOTE, of(&[common(), needed(0b111), used()]))], Some(3)),
        (vec![(NOTE, of(&[property(0xb000_0000, b"anything long"), needed(0b111)]))], Some(3)),
        (vec![(NOTE, of(&[needed(0b111), needed(0b1)]))], Some(3)),
        // Out of order, of other sizes, of another owner.
        (vec![(NOTE, of(&[used(), needed(0b111)]))], None),
        (vec![(NOTE, of(&[property(0xc000_8002, &[7, 0, 0, 0, 0, 0, 0, 0])]))], None),
        (vec![(NOTE, of(&[property(0xc000_0002, &[0; 8]), needed(0b111)]))], None),
        (vec![(NOTE, note(b"ABC\0", &[needed(0b111)]))], None),
        (vec![(NOTE, [note(b"ABC\0", &[needed(0b1)]), of(&[needed(0b111)])].concat())], Some(3)),
        // Two in one segment are none; of two segments the last counts, whatever is in it.
        (vec![(NOTE, [of(&[needed(0b111)]), of(&[needed(0b111)])].concat())], None),
        (vec![(NOTE, of(&[needed(0b1)])), (NOTE, of(&[needed(0b111)]))], Some(3)),
        (vec![(NOTE, of(&[needed(0b111)])), (NOTE, of(&[common()]))], None),
        (vec![(NOTE, of(&[needed(0b111)])), (GNU_PROPERTY, of(&[needed(0b1)]))], Some(3)),
        (vec![(GNU_PROPERTY, of(&[needed(0b111)]))], None),
    ];
    for (at, (segments, level)) in cases.into_iter().enumerate() {
        let mut forge = Forge::new();
        for (kind, bytes) in segments {
            let place = forge.place(&bytes);
            forge.segment(kind, place, bytes.len());
        }
        let facts = ElfFacts::parse(&forge.file()).expect("an ELF file");
        let level = level.filter(|_| cfg!(target_arch = "x86_64"));
        assert_eq!(facts.traits.x86_64_level, level, "case {at}");
    }
}

#[test]
fn defined_versions_mark_their_symbols() {
    let host = FakeHost::glibc("2.36");
    let script =
        host.workshop.write("own.map", "OWN_1 { global: work; }; OWN_2 { global: work; local: *; };");
    let source = r#"__asm__(".symver old_work, work@OWN_1"); __asm__(".symver new_work, work@@OWN_2");
        void old_work(void) {} void new_work(void) {}"#;
    let arguments = [&*format!("-Wl,--version-script={}", script.display())];
    let facts = ElfFacts::parse(&host.workshop.library("own.so", source, &arguments)).expect("an ELF file");
    assert_eq!(facts.defined_versions.iter().map(|name| &**name).collect::<Vec<_>>(), ["OWN_1", "OWN_2"]);
    let found: Vec<_> = facts
        .exports_named("work")
        .map(|export| (export.version.as_deref().unwrap(), export.hidden))
        .collect();
    assert_eq!(found, [("OWN_1", true), ("OWN_2", false)]);
}

#[test]
fn the_note_is_found_without_section_headers() {
    let host = FakeHost::glibc("2.36");
    let mut bytes = host.workshop.library("plugin.so", &Note::of_handler().plugin_source(), &[]);
    // e_shoff, and e_shentsize with the two fields behind it.
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    let facts = ElfFacts::parse(&bytes).expect("an ELF file");
    let identity = facts.note.identity().expect("a note");
    assert_eq!((identity.name.as_str(), identity.version.as_str()), ("test-plugin", "1.2.3"));
    assert_eq!((identity.entry.as_str(), identity.kind), ("dynlab_plugin", 1));
    assert_eq!(facts.missing_tail, None);
}

#[test]
fn facts_survive_json() {
    let host = FakeHost::glibc("2.36");
    let program = host.reader().into_facts();
    let json = serde_json::to_string(&program).expect("JSON");
    assert_eq!(serde_json::from_str::<plugin_compat::HostFacts>(&json).expect("the same"), program);
}

#[test]
fn the_running_program_has_facts() {
    let bytes = fs::read("/proc/self/exe").expect("/proc");
    let facts = ElfFacts::parse(&bytes).expect("an ELF file");
    assert_eq!(facts.machine.to_string(), std::env::consts::ARCH);
    assert_eq!(facts.size, bytes.len() as u64);
}
