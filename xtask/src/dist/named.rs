//! The crates that a compiled file names: messages of panics hold the paths of the sources that they come from.

use std::collections::BTreeSet;

use crate::build::inside;

/// Those of the vendored crates whose sources `content` names, as `name-version`.
pub(super) fn crates(content: &[u8]) -> BTreeSet<String> {
    let beginning = format!("{}/", inside::CRATES).into_bytes();
    let mut found = BTreeSet::new();
    let mut rest = content;
    while let Some(at) = position(rest, &beginning) {
        rest = &rest[at + beginning.len()..];
        let length = rest.iter().position(|&byte| byte == b'/').unwrap_or(0);
        found.extend(
            std::str::from_utf8(&rest[..length]).ok().filter(|name| is_crate(name)).map(str::to_owned),
        );
    }
    found
}

fn position(content: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = content[from..].iter().position(|&byte| byte == first) {
        if content[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Whether it has the form `name-1.2.3`, with whatever may follow in a version.
fn is_crate(text: &str) -> bool {
    let fits = |one: char| one.is_ascii_alphanumeric() || "-_.+".contains(one);
    let mut versions = text.match_indices('-').map(|(at, _)| &text[at + 1..]);
    text.len() < 200
        && text.chars().all(fits)
        && versions
            .any(|version| version.starts_with(|one: char| one.is_ascii_digit()) && version.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_vendored_sources_are_found_and_nothing_else() {
        let content = b"\x7fELF\0/vendor/hyper-util-0.1.19/src/lib.rs/vendor/zstd-sys-2.0.1+zstd.1.5/zstd/lib\0/vendor/\
            /rustc/abc/library/core/src/lib.rs /vendor/not a crate/x /vendor/words/x /vendor/hyper-util-0.1.19/src/b.rs/vendor/cut-1.0";
        let found: Vec<String> = crates(content).into_iter().collect();
        assert_eq!(found, ["hyper-util-0.1.19", "zstd-sys-2.0.1+zstd.1.5"]);
        assert_eq!(crates(b""), BTreeSet::new());
    }
}
