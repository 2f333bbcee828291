//! Which bytes of a file a request wants (RFC 9110, section 14). Pure.

use plugin_sdk::Request;

/// A part of a file, at least one byte: the positions of its first and its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it: no range was asked for, or not in a way that is understood.
    Whole,
    /// At least one part; no two touch each other. They may be less than what was asked for, which 206 allows (section
    /// 15.3.7): every part says which it is.
    Parts(Vec<Part>),
    /// 416: all that was asked for lies behind the end.
    Unsatisfiable,
}

/// More ranges than this in one request are no reading but an attack (section 14.2); they are not looked at.
const MOST_RANGES: usize = 16;

/// The selection of `request` from a file of `length` bytes, `most` of them at once.
pub(crate) fn select(request: &Request<'_>, length: u64, most: u64) -> Selection {
    let mut fields = request.headers().filter(|(name, _)| *name == b"range");
    match (fields.next(), fields.next()) {
        (Some((_, value)), None) => select_from(value, length, most),
        _ => Selection::Whole,
    }
}

fn select_from(field: &[u8], length: u64, most: u64) -> Selection {
    let Some(ranges) = std::str::from_utf8(field).ok().and_then(parse) else { return Selection::Whole };
    let parts: Vec<Part> = ranges.iter().filter_map(|range| range.within(length)).collect();
    match parts.as_slice() {
        // The end of an empty file is satisfiable, and no `content-range` can say so.
        [] if length == 0 && ranges.iter().any(|range| matches!(range, Range::Last(1..))) => Selection::Whole,
        [] => Selection::Unsatisfiable,
        parts => Selection::Parts(cut(coalesce(parts), most)),
    }
}

/// A range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    /// From the first position to the last, or to the end.
    FromTo(u64, Option<u64>),
    /// So many bytes at the end.
    Last(u64),
}

impl Range {
    fn within(self, length: u64) -> Option<Part> {
        let end = length.checked_sub(1)?;
        match self {
            Range::FromTo(first, last) => {
                (first <= end).then(|| Part { first, last: last.map_or(end, |last| last.min(end)) })
            }
            Range::Last(count) => {
                (count > 0).then(|| Part { first: length.saturating_sub(count), last: end })
            }
        }
    }
}

/// `None` if it is another unit than bytes, breaks the grammar, or asks for too many at once.
fn parse(field: &str) -> Option<Vec<Range>> {
    let (unit, set) = field.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    for range in set.split(',').map(|range| range.trim_matches([' ', '\t'])).filter(|range| !range.is_empty())
    {
        if ranges.len() == MOST_RANGES {
            return None;
        }
        ranges.push(match range.split_once('-')? {
            ("", count) => Range::Last(number(count)?),
            (first, "") => Range::FromTo(number(first)?, None),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first {
                    return None;
                }
                Range::FromTo(first, Some(last))
            }
        });
    }
    (!ranges.is_empty()).then_some(ranges)
}

/// Digits and nothing else. A number beyond 64 bits lies behind the end of any file, as does the largest one.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Joins parts that overlap or touch, so that no byte is sent twice; the others stay in the order they were asked for.
fn coalesce(parts: &[Part]) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::new();
    for &part in parts {
        let mut part = part;
        let mut place = joined.len();
        // A part that grows may reach others that it did not reach before.
        while let Some(at) = joined.iter().position(|other| touch(*other, part)) {
            let other = joined.remove(at);
            part = Part { first: part.first.min(other.first), last: part.last.max(other.last) };
            place = at.min(joined.len());
        }
        joined.insert(place.min(joined.len()), part);
    }
    joined
}

fn touch(one: Part, other: Part) -> bool {
    one.first <= other.last.saturating_add(1) && other.first <= one.last.saturating_add(1)
}

/// As much of `parts` as `most` bytes hold, from the first on.
fn cut(parts: Vec<Part>, most: u64) -> Vec<Part> {
    let mut left = most;
    let mut kept = Vec::new();
    for part in parts {
        if left == 0 {
            break;
        }
        let part = Part { first: part.first, last: part.last.min(part.first.saturating_add(left - 1)) };
        left -= part.length();
        kept.push(part);
    }
    kept
}

impl Part {
    /// In bytes, at least 1.
    pub(crate) fn length(self) -> u64 {
        // The last byte of a file has a position below 2^63 (off_t), so this cannot overflow.
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(parts: &[(u64, u64)]) -> Selection {
        Selection::Parts(parts.iter().map(|&(first, last)| Part { first, last }).collect())
    }

    #[test]
    fn selections_from_a_hundred_bytes() {
        use Selection::{Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-9", parts(&[(0, 9)])),
            ("bytes=90-", parts(&[(90, 99)])),
            ("bytes=90-1000", parts(&[(90, 99)])),
            ("bytes=-10", parts(&[(90, 99)])),
            ("bytes=-1000", parts(&[(0, 99)])),
            ("bytes=99-99", parts(&[(99, 99)])),
            ("BYTES=0-0", parts(&[(0, 0)])),
            ("bytes= 0-1 ,\t5-6", parts(&[(0, 1), (5, 6)])),
            ("bytes=,0-1,,", parts(&[(0, 1)])),
            ("bytes=5-6,0-1", parts(&[(5, 6), (0, 1)])),
            ("bytes=0-4,5-9", parts(&[(0, 9)])),
            ("bytes=0-4,3-9,50-50", parts(&[(0, 9), (50, 50)])),
            ("bytes=0-1,4-5,2-3", parts(&[(0, 5)])),
            ("bytes=0-1,100-", parts(&[(0, 1)])),
            ("bytes=0-99999999999999999999", parts(&[(0, 99)])),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200,-0", Unsatisfiable),
            ("bytes=99999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=9-0", Whole),
            ("bytes=0-1,9-0", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0x1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes 0-9", Whole),
            ("lines=0-9", Whole),
            ("", Whole),
        ];
        for (field, expected) in cases {
            assert_eq!(select_from(field.as_bytes(), 100, 1000), expected, "{field}");
        }
        assert_eq!(select_from(b"bytes=0-\xff", 100, 1000), Whole);
    }

    #[test]
    fn too_many_ranges_are_not_looked_at() {
        let field = |count: u32| {
            format!("bytes={}", (0..count).map(|at| format!("{}-{},", 3 * at, 3 * at)).collect::<String>())
        };
        assert!(
            matches!(select_from(field(16).as_bytes(), 100, 1000), Selection::Parts(parts) if parts.len() == 16)
        );
        assert_eq!(select_from(field(17).as_bytes(), 100, 1000), Selection::Whole);
    }

    #[test]
    fn an_empty_file_has_an_end_and_no_bytes() {
        assert_eq!(select_from(b"bytes=-5", 0, 1000), Selection::Whole);
        assert_eq!(select_from(b"bytes=0-", 0, 1000), Selection::Unsatisfiable);
        assert_eq!(select_from(b"bytes=-0", 0, 1000), Selection::Unsatisfiable);
    }

    #[test]
    fn no_more_than_allowed_is_sent() {
        assert_eq!(select_from(b"bytes=10-", 100, 5), parts(&[(10, 14)]));
        assert_eq!(select_from(b"bytes=0-1,10-19,50-", 100, 5), parts(&[(0, 1), (10, 12)]));
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_file_and_apart(
            field in "bytes=([0-9]{0,3}-[0-9]{0,3},?){0,18}", length in 0u64..500, most in 1u64..600
        ) {
            if let Selection::Parts(parts) = select_from(field.as_bytes(), length, most) {
                prop_assert!(!parts.is_empty());
                prop_assert!(parts.iter().map(|part| part.length()).sum::<u64>() <= most);
                for (at, part) in parts.iter().enumerate() {
                    prop_assert!(part.first <= part.last && part.last < length);
                    prop_assert!(parts[..at].iter().all(|other| !touch(*other, *part)));
                }
            }
        }

        #[test]
        fn every_byte_that_was_asked_for_is_sent_where_there_is_room(
            wanted in prop::collection::vec((0u64..300, 0u64..300), 1..10), length in 1u64..400
        ) {
            let field: Vec<String> = wanted.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            let field = format!("bytes={}", field.join(","));
            let asked = |byte: u64| wanted.iter().any(|&(first, more)| (first..=first + more).contains(&byte));
            match select_from(field.as_bytes(), length, u64::MAX) {
                Selection::Parts(parts) => for byte in 0..length {
                    let sent = parts.iter().any(|part| (part.first..=part.last).contains(&byte));
                    prop_assert_eq!(sent, asked(byte), "{}", byte);
                },
                Selection::Unsatisfiable => prop_assert!((0..length).all(|byte| !asked(byte))),
                Selection::Whole => prop_assert!(false, "it is within the grammar"),
            }
        }

        #[test]
        fn any_bytes_are_read_to_an_end(field: Vec<u8>, length: u64, most in 1u64..) {
            select_from(&field, length / 2, most);
        }
    }
}
