//! Which version a C library's file is.

use crate::{ElfFacts, LibcVersion};

/// glibc prints its version when it is run: `GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.`
/// The highest version it defines symbols for is at most that, and less after a release that added none.
pub(super) fn glibc_version(bytes: &[u8], facts: &ElfFacts) -> Option<LibcVersion> {
    let of_banner = || {
        let marker = b"release version ";
        let start = find(bytes, marker)? + marker.len();
        let rest = bytes.get(start..start + 16)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        std::str::from_utf8(&rest[..length]).ok()?.trim_end_matches('.').parse().ok()
    };
    let of_symbols =
        || facts.defined_versions.iter().filter_map(|name| LibcVersion::of_symbol_version(name)).max();
    of_banner().or_else(of_symbols)
}

/// musl keeps its version as a string of its own (`src/internal/version.c`), which `ld-musl` prints: `1.2.5`,
/// with `-git-…` behind it between releases.
pub(super) fn musl_version(bytes: &[u8]) -> Option<LibcVersion> {
    const LONGEST: usize = 32;
    bytes.split(|byte| *byte == 0).filter(|string| (5..=LONGEST).contains(&string.len())).find_map(|string| {
        let text = std::str::from_utf8(string).ok()?;
        let numbers = text.split_once("-git-").map_or(text, |(numbers, _)| numbers);
        if numbers.split('.').count() != 3 { None } else { numbers.parse().ok() }
    })
}

/// Where `wanted` begins in `bytes`.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
