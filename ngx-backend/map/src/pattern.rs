//! What an entry is for: one host, all hosts below a name, or all hosts.

use crate::host::{Host, HostError, LONGEST_HOST};
use std::fmt;

/// The hosts that an entry is for.
///
/// `www.example.com` is for itself, `*.example.com` for every name below `example.com` at any depth (not for that name itself),
/// `*` for all hosts that nothing else is for. The most exact one counts: the host itself, then the longest wildcard, then `*`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern {
    /// The host; or its suffix, beginning with a dot; or nothing.
    key: String,
}

impl Pattern {
    /// Reads what an operator wrote, in any case, with or without a port and a dot at the end.
    ///
    /// # Errors
    /// [`HostError`] that names what is wrong and the cure.
    pub fn parse(text: &str) -> Result<Pattern, HostError> {
        if text == "*" {
            return Ok(Pattern { key: String::new() });
        }
        let Some(rest) = text.strip_prefix("*.") else {
            return Ok(Pattern { key: Host::parse(text.as_bytes())?.as_str().to_owned() });
        };
        let below = Host::parse(rest.as_bytes())?;
        if below.is_address() {
            return Err(HostError::Star);
        }
        let key = format!(".{below}");
        // A name below it needs a character more.
        if key.len() >= LONGEST_HOST {
            return Err(HostError::TooLong(key.len() + 1));
        }
        Ok(Pattern { key })
    }

    /// What tables find it by: the host; or its suffix, beginning with a dot; or nothing.
    pub fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The pattern with this key; `None` if no pattern has it.
    pub fn from_key(key: &[u8]) -> Option<Pattern> {
        let key = std::str::from_utf8(key).ok()?;
        let pattern = match key.as_bytes().first() {
            None => Pattern { key: String::new() },
            Some(b'.') => Pattern::parse(&format!("*{key}")).ok()?,
            Some(_) => Pattern::parse(key).ok()?,
        };
        (pattern.key == key).then_some(pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() || self.key.starts_with('.') {
            f.write_str("*")?;
        }
        f.write_str(&self.key)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_shown_and_found_again() {
        for (text, shown) in [
            ("A.com:80", "a.com"),
            ("*.Example.com.", "*.example.com"),
            ("*.com", "*.com"),
            ("*", "*"),
            ("[::1]:80", "[::1]"),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), shown);
            assert_eq!(Pattern::from_key(pattern.key()), Some(pattern));
        }
        for text in ["a.*.com", "*a.com", "*.*.com", "**", "*.192.0.2.1", "*.[::1]"] {
            assert_eq!(Pattern::parse(text), Err(HostError::Star), "{text}");
        }
        assert_eq!(Pattern::parse("*."), Err(HostError::Empty));
        assert_eq!(Pattern::parse(""), Err(HostError::Empty));
        let ending_in = |end: &str| Pattern::parse(&format!("*.{}{end}", "a.".repeat(125)));
        assert_eq!(ending_in("a").unwrap().key().len(), 252);
        assert_eq!(ending_in("aa"), Err(HostError::TooLong(254)));
        for key in [&b"A.com"[..], b"a.com:80", b"*.a", b"\xff"] {
            assert_eq!(Pattern::from_key(key), None);
        }
    }
}
