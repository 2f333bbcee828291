//! Debian version numbers and the relations between them.
//!
//! Source: deb-version(7), Debian Policy 5.6.12 and 7.1.

use std::cmp::Ordering;

/// Compares two versions as dpkg does.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a), split(b));
    (a.epoch.cmp(&b.epoch))
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

/// Whether `version` satisfies a relation such as `>= 2.41`.
pub(super) fn satisfies(version: &str, operator: &str, wanted: &str) -> bool {
    let order = compare(version, wanted);
    match operator {
        "<<" => order.is_lt(),
        "<=" | "<" => order.is_le(),
        "=" => order.is_eq(),
        ">=" | ">" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => false,
    }
}

struct Parts<'a> {
    epoch: u64,
    upstream: &'a str,
    revision: &'a str,
}

fn split(version: &str) -> Parts<'_> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    Parts { epoch: epoch.parse().unwrap_or(0), upstream, revision }
}

/// Turns of non-digits and digits; `~` sorts before the end, letters before everything else.
fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        if a.is_empty() && b.is_empty() {
            return Ordering::Equal;
        }
        let (words_a, rest_a) = a.split_at(a.find(|c: char| c.is_ascii_digit()).unwrap_or(a.len()));
        let (words_b, rest_b) = b.split_at(b.find(|c: char| c.is_ascii_digit()).unwrap_or(b.len()));
        let order = compare_words(words_a, words_b);
        if order.is_ne() {
            return order;
        }
        let (number_a, after_a) =
            rest_a.split_at(rest_a.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest_a.len()));
        let (number_b, after_b) =
            rest_b.split_at(rest_b.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest_b.len()));
        let (number_a, number_b) = (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
}

fn compare_words(a: &str, b: &str) -> Ordering {
    let weight = |byte: Option<u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    };
    let (mut a, mut b) = (a.bytes(), b.bytes());
    loop {
        let (left, right) = (a.next(), b.next());
        let order = weight(left).cmp(&weight(right));
        if order.is_ne() || left.is_none() && right.is_none() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_in_dpkg() {
        let ascending = [
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0-1"),
            ("1.0-1~deb13u1", "1.0-1"),
            ("1.0-1", "1.0-1+b1"),
            ("1.9", "1.10"),
            ("1.0a", "1.0+"),
            ("9.9", "1:0.1"),
            ("2.41-12", "2.41-12+deb13u4"),
            ("1.2.5-3", "1.2.5-3.1~deb13u1"),
        ];
        for (low, high) in ascending {
            assert_eq!(compare(low, high), Ordering::Less, "{low} < {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{high} > {low}");
        }
        for (same, too) in [("1.0", "0:1.0"), ("1.0-0", "1.0"), ("1.01", "1.1")] {
            assert_eq!(compare(same, too), Ordering::Equal, "{same} = {too}");
        }
    }

    #[test]
    fn relations() {
        assert!(satisfies("2.41", ">=", "2.38"));
        assert!(!satisfies("2.36", ">=", "2.38"));
        assert!(satisfies("1.0", "=", "1.0"));
        assert!(satisfies("1.0~beta", "<<", "1.0"));
    }
}
