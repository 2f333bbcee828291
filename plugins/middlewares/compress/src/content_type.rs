//! Which content types are worth compressing.

use crate::accept::trimmed;

/// A set of content types.
#[derive(Debug)]
pub(crate) struct Types(Vec<Pattern>);

/// All in lower case.
#[derive(Debug)]
enum Pattern {
    /// `application/json`
    Exact(String),
    /// `text/*`, kept as `text/`
    Below(String),
    /// `*+json`, kept as `+json`
    Suffix(String),
}

impl Types {
    /// # Errors
    /// Which pattern is none, and how they look.
    pub(crate) fn parse(patterns: &[String]) -> Result<Types, String> {
        patterns.iter().map(|pattern| Pattern::parse(pattern)).collect::<Result<_, _>>().map(Types)
    }

    /// Whether a `content-type` is in it, whatever its parameters.
    pub(crate) fn contain(&self, content_type: &[u8]) -> bool {
        let essence = trimmed(content_type.split(|byte| *byte == b';').next().unwrap_or_default());
        let essence = essence.to_ascii_lowercase();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => essence == exact.as_bytes(),
            Pattern::Below(prefix) => essence.starts_with(prefix.as_bytes()),
            Pattern::Suffix(suffix) => essence.ends_with(suffix.as_bytes()),
        })
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Pattern, String> {
        let lower = pattern.to_ascii_lowercase();
        // RFC 6838, section 4.2.
        let is_name = |name: &str| {
            let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !name.is_empty() && name.bytes().all(is_name_byte)
        };
        match lower.split_once('/') {
            Some((kind, "*")) if is_name(kind) => Ok(Pattern::Below(format!("{kind}/"))),
            Some((kind, subtype)) if is_name(kind) && is_name(subtype) => Ok(Pattern::Exact(lower)),
            None if lower.starts_with("*+") && is_name(&lower[2..]) => {
                Ok(Pattern::Suffix(lower[1..].to_owned()))
            }
            _ => Err(format!(
                "types: `{pattern}` is no content type; write application/json, text/* or *+json"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_name_group_and_suffix() {
        let types = ["Application/JSON", "text/*", "*+xml"].map(str::to_owned);
        let types = Types::parse(&types).unwrap();
        let cases = [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("APPLICATION/json ;x", true),
            ("application/json5", false),
            ("text/html", true),
            ("textual/html", false),
            ("image/svg+xml", true),
            ("image/xml", false),
            ("image/png", false),
            ("", false),
            (";text/html", false),
        ];
        for (content_type, expected) in cases {
            assert_eq!(types.contain(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for pattern in
            ["", "text", "text/", "/html", "*/*", "*", "text/html; charset=utf-8", "+json", "a/b/c"]
        {
            let error = Types::parse(&[pattern.to_owned()]).unwrap_err();
            assert!(error.contains(&format!("`{pattern}` is no content type")), "{error}");
        }
    }
}
