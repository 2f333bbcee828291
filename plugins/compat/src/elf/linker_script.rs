//! Linker scripts: text in place of a library, as `libc.so` and `libncurses.so` are where programs are built.
//!
//! Source: the chapter "Linker Scripts" of GNU ld's manual, "Commands Dealing with Files".

/// What was understood of a linker script.
pub(super) struct LinkerScript {
    /// The first library that it leads to.
    pub(super) leads_to: Option<String>,
}

/// What a script that stands for a library may begin with.
const COMMANDS: [&str; 6] = ["INPUT", "GROUP", "OUTPUT_FORMAT", "OUTPUT_ARCH", "SEARCH_DIR", "SECTIONS"];
/// Commands that name files.
const NAMING_FILES: [&str; 2] = ["INPUT", "GROUP"];
/// Longer names are none that somebody would look for.
const LONGEST_NAME: usize = 256;

/// Reads the beginning of a text; none if it is no linker script.
pub(super) fn read(text: &str) -> Option<LinkerScript> {
    let mut words = Words(text);
    let command = words.next()?;
    if !COMMANDS.contains(&command) || !matches!(words.next(), Some("(" | "{")) {
        return None;
    }
    if !NAMING_FILES.contains(&command) && !words.any(|word| NAMING_FILES.contains(&word)) {
        return Some(LinkerScript { leads_to: None });
    }
    let named = words.find(|word| !matches!(*word, "(" | "AS_NEEDED"));
    let leads_to = named.filter(|name| *name != ")" && name.len() <= LONGEST_NAME);
    Some(LinkerScript { leads_to: leads_to.map(str::to_owned) })
}

/// Names, parentheses and braces, without comments and what only separates.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.0 =
                self.0.trim_start_matches(|one: char| one.is_whitespace() || matches!(one, ',' | ';' | '"'));
            let Some(comment) = self.0.strip_prefix("/*") else { break };
            self.0 = comment.split_once("*/").map_or("", |(_, behind)| behind);
        }
        let is_single = |one: char| matches!(one, '(' | ')' | '{' | '}');
        let ends = |one: char| one.is_whitespace() || is_single(one) || matches!(one, ',' | ';' | '"');
        let length = match self.0.chars().next()? {
            one if is_single(one) => one.len_utf8(),
            _ => self.0.find(ends).unwrap_or(self.0.len()),
        };
        let (word, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn scripts_are_told_from_other_text_and_lead_somewhere() {
        let cases = [
            (
                "/* GNU ld script\n   Use the shared library. */\nOUTPUT_FORMAT(elf64-x86-64)\n\
                 GROUP ( /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/libc_nonshared.a AS_NEEDED ( /lib64/ld.so ) )",
                Some(Some("/lib/x86_64-linux-gnu/libc.so.6")),
            ),
            ("INPUT(libncurses.so.6 -ltinfo)\n", Some(Some("libncurses.so.6"))),
            ("INPUT ( AS_NEEDED ( -lgcc_s ) )", Some(Some("-lgcc_s"))),
            ("GROUP()", Some(None)),
            ("GROUP(", Some(None)),
            ("SECTIONS { . = 0x1000; }", Some(None)),
            ("OUTPUT_FORMAT(elf64-x86-64)", Some(None)),
            ("INPUT libncurses.so.6", None),
            ("PUT(libncurses.so.6)", None),
            ("/* GNU ld script", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = read(text).map(|script| script.leads_to);
            assert_eq!(found, expected.map(|name: Option<&str>| name.map(str::to_owned)), "{text}");
        }
    }
}
