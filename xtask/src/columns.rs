//! Text for a terminal of 80 columns.

use std::fmt::Write;

/// The width that every terminal has.
pub(crate) const COLUMNS: usize = 80;

/// Adds `label`, and beside it, `indent` columns from the left, `words`, broken between words.
pub(crate) fn paragraph(text: &mut String, indent: usize, label: &str, words: &str) {
    let mut line = format!("{label:<indent$}");
    let mut empty = true;
    for word in words.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
