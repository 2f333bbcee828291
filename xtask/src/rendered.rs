//! Files that are rendered and committed: is the committed text what would be rendered now?

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::error::Stop;

/// Compares the file at `path` with `text`; `renew` is the command that renders it.
///
/// # Errors
/// [`Stop::Disagreement`] with the first line that differs. A file that cannot be read is an empty one.
pub(crate) fn check(path: &Path, text: &str, renew: &str) -> Result<()> {
    let committed = fs::read_to_string(path).unwrap_or_default();
    match first_difference(&committed, text) {
        None => Ok(()),
        Some((line, old, new)) => {
            Err(stale(path, &format!("line {line}: committed {old:?}, now {new:?}"), renew))
        }
    }
}

/// The error of a file that is stale, and in what.
pub(crate) fn stale(path: &Path, difference: &str, renew: &str) -> anyhow::Error {
    let name = path.display();
    Stop::Disagreement(format!("{name} is stale ({difference}); run `{renew}` and commit what it writes"))
        .into()
}

fn first_difference<'a>(old: &'a str, new: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if old == new {
        return None;
    }
    let mut old_lines = old.lines();
    let mut new_lines = new.lines();
    for line in 1.. {
        let (old, new) = (old_lines.next(), new_lines.next());
        if old != new || old.is_none() {
            return Some((line, old.unwrap_or("<end>").trim(), new.unwrap_or("<end>").trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some((2, "<end>", "b")));
        assert_eq!(first_difference("a", "a\n"), Some((2, "<end>", "<end>")));
    }
}
