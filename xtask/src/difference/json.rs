//! JSON, value by value, each with its path.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Cause, Difference, Pair, Trace, cause, excerpt, first_differing};

/// A field that an object does not have, an element that an array does not have.
const ABSENT: &str = "nothing";

/// The difference of two JSON texts; `None` if one is none, or if they say the same in other words.
pub(super) fn difference(pair: Pair<'_>) -> Option<Difference> {
    let begins = |text: &[u8]| matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    if !begins(pair.first) || !begins(pair.second) {
        return None;
    }
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    let (first, second) = (parse(pair.first)?, parse(pair.second)?);
    let mut found = Vec::new();
    walk(pair, "", Some(&first), Some(&second), &mut found);
    Difference::choose(found)
}

fn walk(
    pair: Pair<'_>,
    path: &str,
    first: Option<&Value>,
    second: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if first == second {
        return;
    }
    match (first, second) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(pair, &path, one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if is_shuffled(one, other) => {
            let at = (0..one.len()).find(|&at| one[at] != other[at]).unwrap_or_default();
            let cause = Cause::new(Trace::Order, "the same elements in another order");
            found.push(Difference::at(
                format!("{path}[{at}]"),
                shown(one.get(at), 0),
                shown(other.get(at), 0),
                Some(cause),
            ));
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for at in 0..one.len().max(other.len()) {
                walk(pair, &format!("{path}[{at}]"), one.get(at), other.get(at), found);
            }
        }
        _ => {
            let texts = [first, second].map(|value| value.map_or(String::new(), Value::to_string));
            let at = first_differing(texts[0].as_bytes(), texts[1].as_bytes());
            let cause = cause::recognise(texts[0].as_bytes(), texts[1].as_bytes(), at, pair.clues);
            let path = if path.is_empty() { "the whole" } else { path };
            found.push(Difference::at(path.to_owned(), shown(first, at), shown(second, at), cause));
        }
    }
}

fn is_shuffled(one: &[Value], other: &[Value]) -> bool {
    let sorted = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    one.len() == other.len() && sorted(one) == sorted(other)
}

/// A value, cut to what is around byte `at` of it.
fn shown(value: Option<&Value>, at: usize) -> String {
    match value {
        None => ABSENT.to_owned(),
        Some(Value::String(text)) => excerpt::of_text(text, at.saturating_sub(1)),
        Some(value) => {
            let text = value.to_string();
            if text.chars().count() <= 60 { text } else { excerpt::of_text(&text, at) }
        }
    }
}
