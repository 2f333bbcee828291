//! Columns of text for a terminal. Pure.

/// The width that every terminal has.
pub(super) const WIDTH: usize = 80;

/// How a column is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Words: from the left, never shortened.
    Word,
    /// Names: from the left, shortened when the line would be too long.
    Name,
    /// Numbers: from the right.
    Number,
}

/// No name is made shorter than this.
const SHORTEST: usize = 8;

/// The rows below their heading, in at most [`WIDTH`] columns if names can be shortened so far.
pub(super) fn render<const N: usize>(heading: [(&str, Column); N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|(title, _)| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let taken: usize = widths.iter().sum();
    let gap = if taken + 2 * (N - 1) <= WIDTH { 2 } else { 1 };
    let mut over = (taken + gap * (N - 1)).saturating_sub(WIDTH);
    while over > 0 {
        let names = widths.iter_mut().zip(&heading).filter(|(_, (_, column))| *column == Column::Name);
        let Some(longest) = names.map(|(width, _)| width).max().filter(|width| **width > SHORTEST) else {
            break;
        };
        *longest -= 1;
        over -= 1;
    }
    let titles = heading.map(|(title, _)| title.to_owned());
    let mut text = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        let cells = row.iter().zip(widths).zip(&heading);
        let cells: Vec<String> =
            cells.map(|((cell, width), (_, column))| fit(cell, width, *column)).collect();
        text.push_str(cells.join(&" ".repeat(gap)).trim_end());
        text.push('\n');
    }
    text
}

fn fit(cell: &str, width: usize, column: Column) -> String {
    if cell.chars().count() > width {
        return cell.chars().take(width - 1).chain(['…']).collect();
    }
    match column {
        Column::Number => format!("{cell:>width$}"),
        Column::Word | Column::Name => format!("{cell:<width$}"),
    }
}

/// Adds `words`, broken between words, each line `indent` columns from the left.
pub(super) fn paragraph(text: &mut String, indent: usize, words: &str) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > WIDTH {
            push_line(text, indent, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push_line(text, indent, &line);
}

fn push_line(text: &mut String, indent: usize, line: &str) {
    text.push_str(&" ".repeat(indent));
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: [(&str, Column); 3] =
        [("NAME", Column::Name), ("STATE", Column::Word), ("CALLS", Column::Number)];

    fn rows(name: &str) -> Vec<[String; 3]> {
        vec![[name.to_owned(), "active".to_owned(), "12".to_owned()]]
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        assert_eq!(render(HEADING, &rows("headers")), "NAME     STATE   CALLS\nheaders  active     12\n");
        assert_eq!(render(HEADING, &[]), "NAME  STATE  CALLS\n");
    }

    #[test]
    fn long_names_are_shortened_to_fit() {
        let table = render(HEADING, &rows(&"n".repeat(100)));
        for line in table.lines() {
            assert_eq!(line.chars().count(), WIDTH, "{line}");
        }
        assert!(table.contains("n… active"), "{table}");
    }

    #[test]
    fn paragraphs_are_broken_between_words() {
        let mut text = String::new();
        paragraph(&mut text, 2, &"word ".repeat(40));
        assert!(
            text.lines().all(|line| line.starts_with("  word") && line.chars().count() <= WIDTH),
            "{text}"
        );
        assert_eq!(text.matches("word").count(), 40);
    }
}
