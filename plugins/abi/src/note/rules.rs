//! What the texts of a note may contain, usable by the compiler (who writes notes) and by judges (who read them).

/// True if all bytes are printable ASCII, space included. True for no bytes.
pub(super) const fn is_printable_ascii(text: &[u8]) -> bool {
    let mut i = 0;
    while i < text.len() {
        if text[i] < 0x20 || text[i] > 0x7e {
            return false;
        }
        i += 1;
    }
    true
}

/// True for letters, digits, `-`, `_` and `.`, at least one, the first a letter or digit.
///
/// So strict because names become file names, metric labels and log fields: no slash, no space, no leading dot or dash.
pub const fn is_name(text: &[u8]) -> bool {
    if text.is_empty() || !text[0].is_ascii_alphanumeric() {
        return false;
    }
    let mut i = 0;
    while i < text.len() {
        if !text[i].is_ascii_alphanumeric() && text[i] != b'-' && text[i] != b'_' && text[i] != b'.' {
            return false;
        }
        i += 1;
    }
    true
}

/// True for a semantic version (semver.org 2.0.0): `MAJOR.MINOR.PATCH`, then perhaps `-PRERELEASE`, then perhaps `+BUILD`.
///
/// Numbers have at most 18 digits, so that they fit into 64 bits.
pub const fn is_semver(text: &[u8]) -> bool {
    let mut at = 0;
    let mut part = 0;
    while part < 3 {
        if part > 0 {
            if at >= text.len() || text[at] != b'.' {
                return false;
            }
            at += 1;
        }
        let end = end_of_digits(text, at);
        if !is_number(text, at, end) {
            return false;
        }
        at = end;
        part += 1;
    }
    if at < text.len() && text[at] == b'-' {
        at = end_of_identifiers(text, at + 1, true);
    }
    if at < text.len() && text[at] == b'+' {
        at = end_of_identifiers(text, at + 1, false);
    }
    at == text.len()
}

const fn end_of_digits(text: &[u8], start: usize) -> usize {
    let mut end = start;
    while end < text.len() && text[end].is_ascii_digit() {
        end += 1;
    }
    end
}

/// True if `text[start..end]`, which are digits, make a number without leading zero.
const fn is_number(text: &[u8], start: usize, end: usize) -> bool {
    end > start && end - start <= 18 && (text[start] != b'0' || end - start == 1)
}

/// Where the dot-separated identifiers that begin at `start` end; a position past the text if they break the rules.
const fn end_of_identifiers(text: &[u8], start: usize, numbers_are_numbers: bool) -> usize {
    let broken = text.len() + 1;
    let mut at = start;
    loop {
        let first = at;
        while at < text.len() && (text[at].is_ascii_alphanumeric() || text[at] == b'-') {
            at += 1;
        }
        if at == first {
            return broken;
        }
        if numbers_are_numbers && end_of_digits(text, first) == at && !is_number(text, first, at) {
            return broken;
        }
        if at >= text.len() || text[at] != b'.' {
            return at;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions() {
        for good in [
            "0.0.0",
            "1.2.3",
            "10.20.30",
            "1.0.0-alpha.1",
            "1.0.0-0a",
            "1.0.0-x-y-z",
            "1.0.0+001",
            "1.0.0-rc.1+b.7",
        ] {
            assert!(is_semver(good.as_bytes()), "{}", good);
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.02.3",
            "v1.2.3",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-a..b",
            "1.2.3-01",
            "1.2.3 ",
            "1.2.x",
            "1.2.3-ä",
            "1234567890123456789.0.0",
            "1..2",
            ".1.2",
        ] {
            assert!(!is_semver(bad.as_bytes()), "{}", bad);
        }
    }

    #[test]
    fn names() {
        for good in ["ip", "static-files", "x86_64-unknown-linux-gnu", "dynlab_plugin", "v1.0", "0"] {
            assert!(is_name(good.as_bytes()), "{}", good);
        }
        for bad in ["", ".", "..", "../ip", "a/b", "-ip", "_ip", "i p", "ip\n", "ïp"] {
            assert!(!is_name(bad.as_bytes()), "{}", bad);
        }
    }
}
