//! What Redis gives of the map, read and checked. Pure.

use backend_map::{Entry, Pattern, wire};
use redis::Value;

use crate::store::{Change, Position};

/// What was read of the record of changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Nothing is there yet.
    Nothing,
    /// These, up to a position.
    Changes(Vec<Change>, Position),
    /// Some are missing, or none of a daemon's, because of this.
    Gap(String),
}

/// Key and value among the entries, whatever they are.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// Reads an answer to `XREAD` of one stream.
pub(super) fn read(after: Position, answer: &Value) -> Read {
    let Some(records) = (match answer {
        Value::Nil => return Read::Nothing,
        Value::Array(streams) => match &streams[..] {
            [Value::Array(stream)] => match &stream[..] {
                [_, Value::Array(records)] => Some(records),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }) else {
        return Read::Gap("the record of changes is none".to_owned());
    };
    let (mut changes, mut position) = (Vec::with_capacity(records.len()), after);
    for record in records {
        let Some((next, change)) = record_of(record) else {
            return Read::Gap(format!(
                "what follows revision {} was not written by a daemon",
                position.revision
            ));
        };
        if next.revision != position.revision + 1 {
            return Read::Gap(format!("revision {} is followed by {}", position.revision, next.revision));
        }
        changes.push(change);
        position = next;
    }
    Read::Changes(changes, position)
}

/// Position and change of a record that a daemon wrote.
fn record_of(record: &Value) -> Option<(Position, Change)> {
    let Value::Array(record) = record else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = &record[..] else { return None };
    let [
        Value::BulkString(key_name),
        Value::BulkString(key),
        Value::BulkString(value_name),
        Value::BulkString(value),
    ] = &fields[..]
    else {
        return None;
    };
    if (&key_name[..], &value_name[..]) != (b"key", b"upstreams") {
        return None;
    }
    let position = std::str::from_utf8(id).ok()?.parse().ok()?;
    let pattern = Pattern::from_key(key)?;
    let upstreams = if value.is_empty() { None } else { Some(wire::decode_upstreams(value)?) };
    Some((position, (pattern, upstreams)))
}

/// Reads an answer to `HSCAN`: the next cursor, and keys with values; `None` if it is none.
pub(super) fn scanned(answer: Value) -> Option<(u64, Vec<Field>)> {
    let Value::Array(answer) = answer else { return None };
    let Ok([Value::BulkString(cursor), Value::Array(list)]) = <[Value; 2]>::try_from(answer) else {
        return None;
    };
    let cursor = std::str::from_utf8(&cursor).ok()?.parse().ok()?;
    let mut fields = list.into_iter();
    let mut found = Vec::with_capacity(fields.len() / 2);
    while let Some(key) = fields.next() {
        let (Value::BulkString(key), Some(Value::BulkString(value))) = (key, fields.next()) else {
            return None;
        };
        found.push((key, value));
    }
    Some((cursor, found))
}

/// The entry that a key and a value are, if they are one.
pub(super) fn entry(key: &[u8], value: &[u8]) -> Option<Entry> {
    let (pattern, upstreams) = Pattern::from_key(key).zip(wire::decode_upstreams(value))?;
    Some(Entry { pattern, upstreams })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    fn record(id: &str, key: &[u8], value: &[u8]) -> Value {
        let fields = [b"key", key, b"upstreams", value].map(bulk).to_vec();
        Value::Array(vec![bulk(id.as_bytes()), Value::Array(fields)])
    }

    fn answer(records: Vec<Value>) -> Value {
        Value::Array(vec![Value::Array(vec![bulk(b"changes"), Value::Array(records)])])
    }

    fn at(revision: u64, nonce: u64) -> Position {
        Position { revision, nonce }
    }

    #[test]
    fn changes_are_read_in_an_order_without_gaps() {
        let pattern = |text: &str| Pattern::parse(text).unwrap();
        let records = answer(vec![record("6-9", b"a", b""), record("7-2", b".b", b"")]);
        let changes = vec![(pattern("a"), None), (pattern("*.b"), None)];
        assert_eq!(read(at(5, 1), &records), Read::Changes(changes, at(7, 2)));
        assert_eq!(read(at(5, 1), &Value::Nil), Read::Nothing);
        for (records, part) in [
            (answer(vec![record("7-1", b"a", b"")]), "revision 5 is followed by 7"),
            (answer(vec![record("5-9", b"a", b"")]), "revision 5 is followed by 5"),
            (answer(vec![record("6-1", b"a", b""), record("6-2", b"a", b"")]), "6 is followed by 6"),
            (answer(vec![record("6-1", b"A", b"")]), "what follows revision 5 was not written by a daemon"),
            (answer(vec![record("6-1", b"a", b"garbage")]), "was not written by a daemon"),
            (answer(vec![record("x", b"a", b"")]), "was not written by a daemon"),
            (
                answer(vec![Value::Array(vec![bulk(b"6-1"), Value::Array(vec![bulk(b"f"), bulk(b"v")])])]),
                "not written",
            ),
            (Value::Okay, "is none"),
        ] {
            let Read::Gap(why) = read(at(5, 1), &records) else { panic!("{records:?}") };
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn scans_are_read_whole_or_not_at_all() {
        let answer = |list: Vec<Value>| Value::Array(vec![bulk(b"17"), Value::Array(list)]);
        assert_eq!(
            scanned(answer(vec![bulk(b"k"), bulk(b"v")])),
            Some((17, vec![(b"k".to_vec(), b"v".to_vec())]))
        );
        assert_eq!(scanned(answer(vec![])), Some((17, vec![])));
        for wrong in [answer(vec![bulk(b"k")]), answer(vec![bulk(b"k"), Value::Nil]), Value::Nil] {
            assert_eq!(scanned(wrong), None);
        }
        assert!(entry(b"a", b"\xff\xff").is_none() && entry(b"A", b"").is_none());
    }
}
