//! No bytes, however mangled, make the judge panic, hang or swell.

use std::sync::LazyLock;

use plugin_compat::{ElfError, ElfFacts, HostFacts, Policy, judge_at, judge_bytes};
use proptest::prelude::*;

use crate::contract_note::Note;
use crate::fake_host::{FakeHost, build_glibc};
use crate::toolchain::dynamic_table;

/// A small library with everything the parser reads: both hash tables, versions required and defined, all kinds of
/// relocations, thread-local storage, run path and note. And a host to judge it in.
pub(crate) static SPECIMEN: LazyLock<(Vec<u8>, HostFacts)> = LazyLock::new(|| {
    let host = FakeHost::glibc("2.36");
    build_glibc(&host.workshop, "newest/libc.so.6", "2.38");
    let script = host.workshop.write("specimen.map", "SPECIMEN_1 { global: *; };");
    let source = Note::of_handler().plugin_source()
        + r#"
        void base_call(void); void fmod_of_38(void); extern int nobody[]; __attribute__((weak)) void maybe(void);
        __thread int local_to_thread = 1;
        int *const data[] = { nobody, nobody + 1 };
        void (*const pointers[])(void) = { base_call, maybe, fmod_of_38 };
        int work(void) { base_call(); fmod_of_38(); return local_to_thread++; }
        "#;
    let version_script = format!("-Wl,--version-script={}", script.display());
    let arguments = [
        "-Wl,-soname,libspecimen.so",
        "-Wl,--hash-style=both",
        "-Wl,-rpath,/opt/own:$ORIGIN/../lib",
        "-ftls-model=initial-exec",
        "newest/libc.so.6",
        &version_script,
    ];
    let library = host.workshop.library("specimen.so", &source, &arguments);
    let facts = host.facts_for(&ElfFacts::parse(&library).expect("an ELF file"));
    (library, facts)
});

/// Judges the bytes; whatever comes out, it must be consistent and fit for JSON.
fn judge_anything(bytes: &[u8]) {
    let verdict = judge_bytes(bytes, &SPECIMEN.1, &Policy::any_kind());
    assert_eq!(verdict.loadable, verdict.reasons.is_empty());
    let opened = ElfFacts::parse(bytes)
        .map(|facts| judge_at(&facts, "/opt/own/file.so", &SPECIMEN.1, &Policy::loader_only()));
    for reason in verdict.reasons.iter().chain(opened.iter().flat_map(|verdict| &verdict.reasons)) {
        assert!(!reason.text.is_empty() && reason.text.len() < 16 * 1024, "{}", reason.code);
    }
}

#[test]
fn every_truncation_is_refused_as_such() {
    let (specimen, _) = &*SPECIMEN;
    for length in 0..specimen.len() {
        let cut = &specimen[..length];
        judge_anything(cut);
        match ElfFacts::parse(cut) {
            Err(ElfError::NotElf { .. }) => {
                assert!(length < 4, "{length} bytes are taken for something else")
            }
            Err(ElfError::Truncated { needs, has, .. }) => {
                assert!(has == length as u64 && needs > has && needs <= specimen.len() as u64);
            }
            Err(other) => panic!("{length} bytes of {}: {other}", specimen.len()),
            Ok(facts) => assert!(facts.missing_tail.is_some(), "{length} bytes are taken for whole"),
        }
    }
}

#[test]
fn every_single_word_may_hold_anything() {
    let (specimen, _) = &*SPECIMEN;
    for at in (0..specimen.len() - 8).step_by(4) {
        for value in [0, 1, 0x7fff_ffff, u32::MAX, 0xffff_fff0] {
            let mut bytes = specimen.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            judge_anything(&bytes);
        }
    }
}

/// One edit: where, as a fraction of the file, and what is written there.
fn edit() -> impl Strategy<Value = (prop::sample::Index, Vec<u8>)> {
    let small = any::<u8>().prop_map(|byte| vec![byte]);
    let half = any::<u16>().prop_map(|half| half.to_le_bytes().to_vec());
    let word = any::<u32>().prop_map(|word| word.to_le_bytes().to_vec());
    let address = (0u64..0x8000).prop_map(|address| address.to_le_bytes().to_vec());
    (any::<prop::sample::Index>(), prop_oneof![small, half, word, address])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_files_are_judged(edits in prop::collection::vec(edit(), 1..40), keep in any::<prop::sample::Index>()) {
        let mut bytes = SPECIMEN.0.clone();
        for (index, replacement) in edits {
            let at = index.index(bytes.len());
            let end = (at + replacement.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&replacement[..end - at]);
        }
        judge_anything(&bytes);
        bytes.truncate(keep.index(bytes.len()));
        judge_anything(&bytes);
    }

    #[test]
    fn mangled_tables_are_judged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u64..0x5000), 1..6)) {
        // The dynamic table and the program headers steer everything else: hit them far more often than chance would.
        let mut bytes = SPECIMEN.0.clone();
        let dynamic = dynamic_table(&bytes);
        for (index, value) in edits {
            let words = (64..64 + 56 * 8).chain(dynamic.clone()).step_by(8).collect::<Vec<usize>>();
            let at = words[index.index(words.len())];
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        judge_anything(&bytes);
    }

    #[test]
    fn garbage_is_judged(mut bytes in prop::collection::vec(any::<u8>(), 0..2048), elf in any::<bool>()) {
        if elf && bytes.len() > 20 {
            bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
            bytes[16..18].copy_from_slice(&3u16.to_le_bytes());
        }
        judge_anything(&bytes);
    }
}
