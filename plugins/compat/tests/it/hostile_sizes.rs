//! Files that are small for what they ask: each would take minutes or gigabytes if tables that point at each other multiplied.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use plugin_compat::{ElfError, ElfFacts, FileKind, HostFacts, HostReader, Policy, judge};

use crate::drive::{drive, hosts, within_bounds};
use crate::fake_host::FakeHost;
use crate::forge::Forge;

const DT_NEEDED: u64 = 1;
const DT_SONAME: u64 = 14;
const DT_RUNPATH: u64 = 29;
const PT_NOTE: u32 = 4;

/// Time for reading and judging one of them in all hosts, by a debug build on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(30);

static HOST: LazyLock<HostFacts> = LazyLock::new(|| FakeHost::glibc("2.36").reader().into_facts());

/// Reads and judges it, within bounds.
fn check(file: &[u8]) -> FileKind {
    let started = Instant::now();
    let kind = drive(file, &mut hosts(&HOST));
    let took = started.elapsed();
    assert!(took < DEADLINE, "{} bytes took {took:?}", file.len());
    kind
}

fn check_refused(file: &[u8], why: &str) {
    assert_eq!(check(file), FileKind::Malformed);
    match ElfFacts::parse(file) {
        Err(ElfError::Malformed { what }) => assert!(what.contains(why), "{what}"),
        other => panic!("{:?}", other.map(|facts| facts.kind())),
    }
}

#[test]
fn many_symbols_are_honest() {
    let mut forge = Forge::new();
    for number in 0..20_000 {
        forge.import(&format!("in{number}"), 1);
        forge.export(&format!("out{number}"), 1);
    }
    let file = forge.file();
    assert_eq!(check(&file), FileKind::SharedLibrary);
    let facts = ElfFacts::parse(&file).expect("an ELF file");
    assert_eq!((facts.imports.len(), facts.exports.len()), (20_000, 20_000));
}

/// Each version is looked for in each symbol, and each symbol explained by each version.
#[test]
fn every_symbol_may_miss_a_version() {
    let mut forge = Forge::new();
    let versions: Vec<String> = (0..1000).map(|number| format!("V{number}")).collect();
    forge.named_entry(DT_NEEDED, "libc.so.6");
    forge.require("libc.so.6", &versions);
    for number in 0..4000 {
        forge.import(&format!("f{number}"), 2 + number % 1000);
    }
    assert_eq!(check(&forge.file()), FileKind::SharedLibrary);
}

/// One version, required a thousand times by tables that overlap: each would hold every symbol.
#[test]
fn one_version_is_required_many_times() {
    let mut forge = Forge::new();
    forge.named_entry(DT_NEEDED, "libc.so.6");
    forge.require("libc.so.6", &vec!["V".to_owned(); 5000]);
    for number in 0..20_000 {
        forge.import(&format!("f{number}"), 2);
    }
    let file = forge.file();
    assert_eq!(check(&file), FileKind::SharedLibrary);
    assert_eq!(ElfFacts::parse(&file).expect("an ELF file").required_versions.len(), 1);
}

#[test]
fn versions_are_counted() {
    let versions: Vec<String> = (0..2000).map(|number| format!("V{number}")).collect();
    let mut forge = Forge::new();
    forge.require("libc.so.6", &versions);
    check_refused(&forge.file(), "requires more than 1024 symbol versions");
    let mut forge = Forge::new();
    forge.define(&versions);
    check_refused(&forge.file(), "defines more than 1024 symbol versions");
}

/// A sentence about any of these symbols would hold the version's name.
#[test]
fn a_long_version_is_named_once() {
    let mut forge = Forge::new();
    forge.named_entry(DT_NEEDED, "libc.so.6");
    forge.require("libother.so", &["V".repeat(400_000)]);
    for number in 0..10_000 {
        forge.import(&format!("f{number}"), 2);
    }
    assert_eq!(check(&forge.file()), FileKind::SharedLibrary);
}

/// Every reference to that name would be compared with each of its definitions.
#[test]
fn one_name_is_defined_many_times() {
    let versions: Vec<String> = (0..1000).map(|number| format!("V{number}")).collect();
    let mut forge = Forge::new();
    forge.named_entry(DT_SONAME, "libown.so");
    forge.define(&versions);
    for number in 0..1000 {
        forge.export("same", 0x8000 | (2 + number));
        forge.import("same", 2 + number);
    }
    check_refused(&forge.file(), "defines one symbol more than 256 times");
}

#[test]
fn the_same_definition_may_be_there_twice() {
    let mut forge = Forge::new();
    for _ in 0..5000 {
        forge.export("same", 1);
        forge.import("wanted", 1);
    }
    let file = forge.file();
    assert_eq!(check(&file), FileKind::SharedLibrary);
    let facts = ElfFacts::parse(&file).expect("an ELF file");
    assert_eq!((facts.imports.len(), facts.exports.len()), (1, 1));
}

/// Sixty thousand note segments that are one and the same place.
#[test]
fn notes_are_read_once() {
    let mut forge = Forge::new();
    // Neither owner nor descriptor, a type, and padding.
    let notes = [0u32, 0, 1, 0].map(u32::to_le_bytes).concat().repeat(50_000);
    let at = forge.place(&notes);
    for _ in 0..60_000 {
        forge.segment(PT_NOTE, at, notes.len());
    }
    assert_eq!(check(&forge.file()), FileKind::SharedLibrary);
}

/// Notes that are nothing but zeros look like the end, until that is seen not to be one.
#[test]
fn empty_notes_are_walked_once() {
    let mut forge = Forge::new();
    let mut notes = vec![0; 4 << 20];
    notes.extend([1; 24]);
    let at = forge.place(&notes);
    forge.segment(PT_NOTE, at, notes.len());
    assert_eq!(check(&forge.file()), FileKind::SharedLibrary);
}

#[test]
fn needed_libraries_are_counted_and_told_of() {
    let needing = |count: usize| {
        let mut forge = Forge::new();
        for number in 0..count {
            forge.named_entry(DT_NEEDED, &format!("lib{number}.so"));
        }
        forge.file()
    };
    assert_eq!(check(&needing(4096)), FileKind::SharedLibrary);
    check_refused(&needing(5000), "needs more than 4096 libraries");
}

#[test]
fn folders_are_counted() {
    let mut forge = Forge::new();
    forge.named_entry(DT_RUNPATH, &":".repeat(1 << 20));
    check_refused(&forge.file(), "more than 1024 folders");
    let mut forge = Forge::new();
    let folders: Vec<String> = (0..1000).map(|number| format!("/folder/{number}")).collect();
    forge.named_entry(DT_RUNPATH, &folders.join(":"));
    for number in 0..4000 {
        forge.named_entry(DT_NEEDED, &format!("lib{number}.so"));
    }
    check_refused(&forge.file(), "paths to search");
}

/// What the file needs is looked for on the disk: in every folder for every library, once.
#[test]
fn every_path_is_looked_at_once() {
    let mut forge = Forge::new();
    let folders: Vec<String> = (0..300).map(|number| format!("/{number}")).collect();
    forge.named_entry(DT_RUNPATH, &folders.join(":"));
    for number in 0..300 {
        forge.named_entry(DT_NEEDED, &format!("lib{number}.so"));
    }
    let facts = ElfFacts::parse(&forge.file()).expect("an ELF file");
    let host = FakeHost::glibc("2.36");
    let mut reader = host.reader();
    let started = Instant::now();
    assert_eq!(reader.learn(&facts).lookups.len(), 300 * 301 + 1);
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
}

/// A needed name may be that of a file which the kernel makes up, as long as anybody reads it.
#[test]
fn files_without_end_are_not_read() {
    let mut forge = Forge::new();
    for endless in ["/proc/self/pagemap", "/proc/kmsg", "/proc/kcore", "/dev/zero"] {
        forge.named_entry(DT_NEEDED, endless);
    }
    let file = forge.file();
    let facts = ElfFacts::parse(&file).expect("an ELF file");
    let mut reader = HostReader::of_running_process().expect("facts of this process");
    let verdict = within_bounds(&file, "look for what it needs", || {
        judge(&facts, reader.learn(&facts), &Policy::loader_only())
    });
    let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["library.missing"; 4]);
}

/// Thirty thousand symbols, each with all of a name of half a megabyte or its end.
#[test]
fn long_names_are_not_copied_for_ever() {
    let mut forge = Forge::new();
    let mut file = {
        forge.export(&"n".repeat(500_000), 1);
        for _ in 0..30_000 {
            forge.export("", 1);
        }
        forge.file()
    };
    // Every symbol gets the first one's name.
    let symbols = 64 + 24;
    let first: [u8; 4] = file[symbols..symbols + 4].try_into().expect("four bytes");
    for index in 1..=30_000 {
        let at = symbols + index * 24;
        file[at..at + 4].copy_from_slice(&first);
    }
    check_refused(&file, "referred to far too often");
    within_bounds(&file, "read it", || ElfFacts::parse(&file).is_err());
}
