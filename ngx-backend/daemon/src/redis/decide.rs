//! Whether a node goes on following, or has to read everything anew. Pure.

use redis::Value;

use crate::store::{Mark, Position};

/// How Redis stands, seen from a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// The last change's; `None` if there is no record of changes.
    pub(super) last: Option<Position>,
    /// Whether the record has the change of the position that it was looked at from.
    pub(super) has_it: bool,
    /// Whatever is among the entries.
    pub(super) entries: u64,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Reads the changes behind its position.
    Follow,
    /// Reads everything, because of this.
    ReadAll(String),
    /// Nothing: Redis has lost what this node has.
    KeepWhatThereIs,
}

impl Look {
    /// What the script gave; `None` if it is no such answer.
    pub(super) fn read(answer: &Value) -> Option<Look> {
        let Value::Array(parts) = answer else { return None };
        let [Value::BulkString(last), Value::Int(has_it), Value::Int(entries)] = &parts[..] else {
            return None;
        };
        let last = match &last[..] {
            b"" => None,
            last => Some(std::str::from_utf8(last).ok()?.parse().ok()?),
        };
        Some(Look { last, has_it: *has_it == 1, entries: u64::try_from(*entries).ok()? })
    }
}

/// What to do with a copy that has come to `mark`, if anywhere, and has so many entries.
pub(super) fn decide(look: &Look, mark: Option<Mark>, entries: u64) -> Next {
    let Some(Mark { position, skipped }) = mark else {
        return Next::ReadAll("nothing is known of it yet".to_owned());
    };
    let are_as_many = look.entries == entries + skipped;
    let at_the_end = || {
        if are_as_many {
            return Next::Follow;
        }
        Next::ReadAll(format!(
            "it has {} entries where {} are known; something else than a daemon has changed it",
            look.entries,
            entries + skipped
        ))
    };
    match look.last {
        None if position == Position::default() => at_the_end(),
        None if look.entries == 0 && entries > 0 => Next::KeepWhatThereIs,
        None => Next::ReadAll("its record of changes is gone".to_owned()),
        Some(last) if last == position => at_the_end(),
        // The first record after the beginning shows whether any is missing.
        Some(_) if look.has_it || position == Position::default() => Next::Follow,
        Some(last) if last.revision < position.revision => {
            Next::ReadAll(format!("it went back from revision {} to {}", position.revision, last.revision))
        }
        Some(_) => Next::ReadAll(format!(
            "its record of changes does not have revision {} of this node",
            position.revision
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_follows_what_it_knows_and_reads_what_it_does_not() {
        let at = |revision| Position { revision, nonce: 7 };
        let look = |last: Option<u64>, has_it, entries| Look { last: last.map(at), has_it, entries };
        let mark = |revision: u64| {
            let position = if revision == 0 { Position::default() } else { at(revision) };
            Some(Mark { position, skipped: 1 })
        };
        for (look, mark, entries, expected) in [
            (look(Some(5), true, 3), mark(5), 2, None),
            // Trimmed by hand to nothing.
            (look(Some(5), false, 3), mark(5), 2, None),
            (look(Some(9), true, 99), mark(5), 2, None),
            (look(Some(1), false, 99), mark(0), 2, None),
            (look(None, false, 3), mark(0), 2, None),
            (look(None, false, 0), None, 0, Some("nothing is known")),
            (look(Some(5), true, 4), mark(5), 2, Some("it has 4 entries where 3 are known")),
            (look(None, false, 2), mark(0), 2, Some("it has 2 entries where 3")),
            (look(Some(9), false, 3), mark(5), 2, Some("does not have revision 5")),
            (look(Some(4), false, 3), mark(5), 2, Some("went back from revision 5 to 4")),
            (look(None, false, 3), mark(5), 2, Some("is gone")),
            (look(None, false, 0), mark(5), 0, Some("is gone")),
        ] {
            match (decide(&look, mark, entries), expected) {
                (Next::Follow, None) => {}
                (Next::ReadAll(why), Some(part)) if why.contains(part) => {}
                (found, _) => panic!("{look:?} {mark:?}: {found:?}"),
            }
        }
        assert_eq!(decide(&look(None, false, 0), mark(5), 2), Next::KeepWhatThereIs);
        // The same revision of another history.
        let other = Look { last: Some(Position { revision: 5, nonce: 8 }), has_it: false, entries: 3 };
        assert!(matches!(decide(&other, mark(5), 2), Next::ReadAll(_)));
    }

    #[test]
    fn looks_are_read() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = |last: &str| Value::Array(vec![bulk(last), Value::Int(1), Value::Int(3)]);
        let last = Some(Position { revision: 5, nonce: 7 });
        assert_eq!(Look::read(&answer("5-7")), Some(Look { last, has_it: true, entries: 3 }));
        assert_eq!(Look::read(&answer("")), Some(Look { last: None, has_it: true, entries: 3 }));
        assert_eq!(Look::read(&answer("x")), None);
        assert_eq!(Look::read(&Value::Nil), None);
    }
}
