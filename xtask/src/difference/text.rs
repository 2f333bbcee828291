//! Texts, line by line.

use super::{Cause, Difference, Pair, Trace, cause, excerpt, first_differing};

/// The difference of two texts; `None` if one is no UTF-8.
pub(super) fn difference(pair: Pair<'_>) -> Option<Difference> {
    let (first, second) = (std::str::from_utf8(pair.first).ok()?, std::str::from_utf8(pair.second).ok()?);
    // With their ends, so that a missing one is seen.
    let (one, other): (Vec<&str>, Vec<&str>) =
        (first.split_inclusive('\n').collect(), second.split_inclusive('\n').collect());
    let at = (0..one.len().max(other.len())).find(|&at| one.get(at) != other.get(at))?;
    let lines = [&one, &other].map(|lines| lines.get(at).copied().unwrap_or_default());
    let column = first_differing(lines[0].as_bytes(), lines[1].as_bytes());
    let cause = if is_shuffled(&one, &other) {
        Some(Cause::new(Trace::Order, "the same lines in another order"))
    } else {
        cause::recognise(lines[0].as_bytes(), lines[1].as_bytes(), column, pair.clues)
    };
    let shown = |line: &str, is_there: bool| {
        // The column in characters.
        let before = line.char_indices().take_while(|(at, _)| *at < column).count();
        if is_there { excerpt::of_text(line, before) } else { "the end".to_owned() }
    };
    let [shown_one, shown_other] = [shown(lines[0], at < one.len()), shown(lines[1], at < other.len())];
    Some(Difference::at(format!("line {}", at + 1), shown_one, shown_other, cause))
}

fn is_shuffled(one: &[&str], other: &[&str]) -> bool {
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.sort();
        lines
    };
    one.len() == other.len() && sorted(one) == sorted(other)
}
