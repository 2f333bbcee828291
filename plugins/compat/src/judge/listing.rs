//! Lists in sentences.

/// The first few of `items` and how many more there are: `fmod, pow, sin and 3 more`.
pub(super) fn some_of<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let items: Vec<&str> = items.into_iter().collect();
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) if others.len() < SHOWN => format!("{} and {last}", others.join(", ")),
        Some(_) => format!("{} and {} more", items[..SHOWN].join(", "), items.len() - SHOWN),
    }
}

/// `symbol` or `symbols`.
pub(super) fn symbols(count: usize) -> &'static str {
    if count == 1 { "symbol" } else { "symbols" }
}

#[cfg(test)]
mod tests {
    use super::some_of;

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
}
