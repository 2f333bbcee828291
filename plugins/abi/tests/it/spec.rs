//! SPEC.md: its numbers are those of the code.

use plugin_abi::note::NoteDescriptor;
use plugin_abi::{Kind, Note, Status, ABI_MAJOR, ABI_MINOR};
use std::mem::{offset_of, size_of, size_of_val};

const SPEC: &str = include_str!("../../SPEC.md");

/// The rows of all tables in the specification, their cells trimmed and freed of backquotes.
fn rows() -> Vec<Vec<String>> {
    SPEC.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches('`').to_owned()).collect())
        .collect()
}

fn assert_row(expected: &[&str]) {
    assert!(
        rows()
            .iter()
            .any(|row| row.starts_with(&expected.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>())),
        "SPEC.md has no row {expected:?}"
    );
}

#[test]
fn the_note_is_laid_out_as_specified() {
    macro_rules! fields {
        ($($field:ident)*) => {
            $({
                let size = size_of_val(&crate::note::NOTE.descriptor.$field);
                let offset = offset_of!(Note, descriptor) + offset_of!(NoteDescriptor, $field);
                assert_row(&[&offset.to_string(), &size.to_string(), stringify!($field)]);
            })*
        };
    }
    fields! { abi_major abi_minor kind name version entry target compiler profile source_digest }
    assert!(SPEC.contains(&format!("{} or more", size_of::<NoteDescriptor>())));
}

#[test]
fn version_kinds_and_statuses_are_as_specified() {
    assert!(SPEC.starts_with(&format!("# The plugin contract, version {ABI_MAJOR}.{ABI_MINOR}\n")));
    for kind in Kind::ALL {
        assert_row(&[&kind.code().to_string(), kind.name()]);
    }
    for code in -8..=4 {
        let name = Status(code).name().unwrap().replace('-', "_").to_uppercase();
        assert_row(&[&code.to_string(), &name]);
    }
    assert_eq!((Status(-9).name(), Status(5).name()), (None, None));
}
