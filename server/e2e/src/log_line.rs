//! Lines of the server's log: `key=value` words, quoted where a value is not one word.

/// The value of `key` in `line`; quotes are taken off, escapes inside them are left.
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut rest = line;
    loop {
        let (found, tail) = rest.trim_start().split_once('=')?;
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_at(end_of_quoted(quoted)?),
            None => tail.split_at(tail.find(' ').unwrap_or(tail.len())),
        };
        if found == key {
            return Some(value);
        }
        rest = after.strip_prefix('"').unwrap_or(after);
    }
}

/// The line without its time, which is another in each run.
pub fn without_time(line: &str) -> &str {
    line.strip_prefix("time=").and_then(|rest| rest.split_once(' ')).map_or(line, |(_, rest)| rest)
}

/// Where the closing quote stands.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_key_and_not_inside_other_values() {
        let line = r#"time=1.0 level=error msg="plugin refused" path=/a/b.so reason="no \"code=x\" here" code=abi.major"#;
        let cases = [
            ("level", Some("error")),
            ("msg", Some("plugin refused")),
            ("path", Some("/a/b.so")),
            ("code", Some("abi.major")),
            ("reason", Some(r#"no \"code=x\" here"#)),
            ("absent", None),
        ];
        for (key, expected) in cases {
            assert_eq!(value(line, key), expected, "{key}");
        }
        assert_eq!(value("no pairs at all", "pairs"), None);
        assert_eq!(value("open=\"never closed", "open"), None);
    }

    #[test]
    fn the_time_is_taken_off() {
        assert_eq!(without_time("time=1.0 level=info msg=x"), "level=info msg=x");
        assert_eq!(without_time("dyn-server: no port"), "dyn-server: no port");
    }
}
