//! Names and lists in sentences, which stay readable whatever a stranger's file holds.

use std::borrow::Cow;

use crate::Reason;

/// Names that are longer are cut, in bytes.
const LONGEST_NAME: usize = 256;
/// Reasons of one kind that are given in full.
const MOST_REASONS: usize = 100;

/// A name from a file, cut where it is too long for a sentence.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_NAME {
        return Cow::Borrowed(name);
    }
    let fits = name.char_indices().take_while(|(at, _)| *at < LONGEST_NAME);
    Cow::Owned(fits.map(|(_, one)| one).chain(['…']).collect())
}

/// The first few of `items` and how many more there are: `fmod, pow, sin and 3 more`.
pub(super) fn some_of<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    const SHOWN: usize = 3;
    let mut items = items.into_iter();
    let first: Vec<String> =
        items.by_ref().take(SHOWN).map(|item| shown(item.as_ref()).into_owned()).collect();
    let more = items.count();
    match first.split_last() {
        None => String::new(),
        Some(_) if more > 0 => format!("{} and {more} more", first.join(", ")),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// The first hundred reasons of one kind, and in place of the others how many there are.
pub(super) fn limited(mut reasons: impl Iterator<Item = Reason>) -> Vec<Reason> {
    let mut limited: Vec<Reason> = reasons.by_ref().take(MOST_REASONS).collect();
    if let Some(next) = reasons.next() {
        let more = 1 + reasons.count();
        limited.push(Reason::new(next.code, format!("there are {more} more reasons of this kind")));
    }
    limited
}

/// `symbol` or `symbols`.
pub(super) fn symbols(count: usize) -> &'static str {
    if count == 1 { "symbol" } else { "symbols" }
}

#[cfg(test)]
mod tests {
    use super::{limited, shown, some_of};
    use crate::{Code, Reason};

    #[test]
    fn lists_are_cut_after_three() {
        let cases: [(&[&str], &str); 5] = [
            (&[], ""),
            (&["a"], "a"),
            (&["a", "b"], "a and b"),
            (&["a", "b", "c"], "a, b and c"),
            (&["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
        ];
        for (items, expected) in cases {
            assert_eq!(some_of(items.iter().copied()), expected);
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let (long, cut) = ("ä".repeat(1000), format!("{}…", "ä".repeat(128)));
        let odd = format!("a{}", "ä".repeat(1000));
        let odd_cut = format!("a{}…", "ä".repeat(128));
        for (name, expected) in [("libc.so.6", "libc.so.6"), (&long, &cut), (&odd, &odd_cut)] {
            assert_eq!(shown(name), expected);
        }
    }

    #[test]
    fn reasons_are_cut_after_a_hundred() {
        let of =
            |count: usize| limited((0..count).map(|at| Reason::new(Code::LibraryMissing, at.to_string())));
        assert_eq!(of(100).len(), 100);
        let cut = of(105);
        assert_eq!((cut.len(), &*cut[100].text), (101, "there are 5 more reasons of this kind"));
    }
}
