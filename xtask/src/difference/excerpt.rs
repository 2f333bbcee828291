//! A few bytes of a file, as people can read them.

/// Fewer printable characters in a row are taken for binary.
const FEWEST: usize = 4;
/// So many characters of a text are shown before the place and after it.
const BEFORE: usize = 24;
const AFTER: usize = 56;
/// So many bytes are shown of what is no text.
const BYTES: usize = 12;

/// A stretch of printable characters in a file, around one place.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The characters.
    pub(super) text: &'a [u8],
    /// The place in them; their length where the place is just behind.
    pub(super) at: usize,
}

impl<'a> Run<'a> {
    /// At most `reach` characters on either side of `at`.
    pub(super) fn around(content: &'a [u8], at: usize, reach: usize) -> Run<'a> {
        let at = at.min(content.len());
        let is_printable = |byte: &&u8| matches!(byte, 0x20..=0x7e);
        let before = content[..at].iter().rev().take(reach).take_while(is_printable).count();
        let after = content[at..].iter().take(reach).take_while(is_printable).count();
        Run { text: &content[at - before..at + after], at: before }
    }
}

/// What `content` has at `at`: a text in quotes, else hexadecimal, else its end.
pub(super) fn of(content: &[u8], at: usize) -> String {
    let run = Run::around(content, at, BEFORE.max(AFTER));
    let start = run.at.saturating_sub(BEFORE);
    let shown = &run.text[start..];
    if shown.len() >= FEWEST {
        return format!("{:?}", String::from_utf8_lossy(shown));
    }
    match content.get(at..) {
        None | Some([]) => "the end".to_owned(),
        Some(rest) => {
            let hex: Vec<String> = rest.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
            hex.join(" ")
        }
    }
}

/// A text cut to what is around the character number `at`.
pub(super) fn of_text(text: &str, at: usize) -> String {
    let start = at.saturating_sub(BEFORE);
    let shown: String = text.chars().skip(start).take(BEFORE + AFTER).collect();
    format!("{shown:?}")
}
