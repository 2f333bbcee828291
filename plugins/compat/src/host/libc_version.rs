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

/// Where `wanted`, which is not empty, begins in `bytes`. Horspool's search: a C library has two million bytes, and a
/// server looks through them before it loads its first plugin.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let last = wanted.len().checked_sub(1)?;
    let mut steps = [wanted.len(); 256];
    for (at, byte) in wanted[..last].iter().enumerate() {
        steps[usize::from(*byte)] = last - at;
    }
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + wanted.len()) {
        if window == wanted {
            return Some(at);
        }
        at += steps[usize::from(window[last])];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{find, musl_version};

    #[test]
    fn strings_are_found_wherever_they_are() {
        let cases: [(&str, &str, Option<usize>); 7] = [
            ("", "a", None),
            ("a", "a", Some(0)),
            ("xxabcabd", "abd", Some(5)),
            ("aaaaab", "aab", Some(3)),
            ("abcabc", "abc", Some(0)),
            ("abc", "abcd", None),
            ("release release version", "release version", Some(8)),
        ];
        for (text, wanted, expected) in cases {
            assert_eq!(find(text.as_bytes(), wanted.as_bytes()), expected, "{wanted} in {text}");
        }
    }

    #[test]
    fn musl_versions_are_told_from_other_strings() {
        let version = |bytes: &[u8]| musl_version(bytes).map(|version| version.to_string());
        assert_eq!(version(b"127.0.0.1\0/lib\x001.2.5\0").as_deref(), Some("1.2.5"));
        assert_eq!(version(b"\x001.2.5-git-12-gabcdef0\0").as_deref(), Some("1.2.5"));
        assert_eq!(version(b"\0a1.2.5\0 1.2.5\x001.2\0"), None);
    }
}
