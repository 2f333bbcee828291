//! Whether the client has the file already, or wants it only in a certain state (RFC 9110, section 13). Pure.

use plugin_sdk::Request;

use crate::validators::Validators;

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// The file is sent.
    Holds,
    /// 412: it is not in the state that the client asked for.
    Failed,
    /// 304: the client has it.
    NotModified,
}

/// Evaluates them in the order of section 13.2.2.
pub(crate) fn evaluate(request: &Request<'_>, current: &Validators) -> Precondition {
    let tags = |name| Tags::of(request, name);
    let date = |name| single(request, name).and_then(seconds);
    if let Some(wanted) = tags("if-match") {
        if !wanted.match_strongly(current) {
            return Precondition::Failed;
        }
    } else if let (Some(date), Some(modified)) = (date("if-unmodified-since"), current.last_modified) {
        if modified > date {
            return Precondition::Failed;
        }
    }
    if let Some(known) = tags("if-none-match") {
        if known.match_weakly(current) {
            return Precondition::NotModified;
        }
    } else if let (Some(date), Some(modified)) = (date("if-modified-since"), current.last_modified) {
        if modified <= date {
            return Precondition::NotModified;
        }
    }
    Precondition::Holds
}

/// Whether ranges may be looked at: there is no `if-range`, or the client's part is of the file as it is (section 13.1.5).
pub(crate) fn range_applies(request: &Request<'_>, current: &Validators) -> bool {
    if request.header("if-range").is_none() {
        return true;
    }
    // A weak validator does not tell that two parts belong together.
    let Some(value) = single(request, "if-range").filter(|_| current.strong) else { return false };
    if value.starts_with('"') || value.starts_with("W/") {
        return value == current.tag;
    }
    seconds(value).is_some() && seconds(value) == current.last_modified
}

/// The value of a field that comes once; a second one makes both worthless.
fn single<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    let mut values = request.headers().filter(|(present, _)| *present == name.as_bytes());
    let (_, value) = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok().map(str::trim)
}

/// A date of HTTP as seconds since 1970.
fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(date).ok()?;
    date.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Entity tags of a condition.
#[derive(Debug, PartialEq, Eq)]
enum Tags<'a> {
    /// `*`: any file that is there, as this one is.
    Any,
    /// Each as it was sent, `W/` included.
    These(Vec<&'a [u8]>),
}

impl<'a> Tags<'a> {
    /// Those in all fields of that name; `None` if there is no such field.
    fn of(request: &Request<'a>, name: &str) -> Option<Tags<'a>> {
        let mut tags = Vec::new();
        let mut present = false;
        for (_, value) in request.headers().filter(|(present, _)| *present == name.as_bytes()) {
            if std::str::from_utf8(value).map(str::trim) == Ok("*") {
                return Some(Tags::Any);
            }
            present = true;
            parse_tags(value, &mut tags);
        }
        present.then_some(Tags::These(tags))
    }

    /// Section 8.8.3.2: both strong and the same.
    fn match_strongly(&self, current: &Validators) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => current.strong && tags.contains(&current.tag.as_bytes()),
        }
    }

    /// Section 8.8.3.2: the same, weak or not.
    fn match_weakly(&self, current: &Validators) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => {
                tags.iter().any(|tag| tag.strip_prefix(b"W/").unwrap_or(tag) == current.tag.as_bytes())
            }
        }
    }
}

/// Appends the tags of a list. Commas may stand within a tag, so it cannot be split at them; what comes after a mistake
/// is left out.
fn parse_tags<'a>(list: &'a [u8], tags: &mut Vec<&'a [u8]>) {
    let mut rest = list;
    loop {
        let skipped = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b',')).count();
        rest = &rest[skipped..];
        let start = if rest.starts_with(b"W/\"") { 3 } else { 1 };
        if !(start == 3 || rest.starts_with(b"\"")) {
            return;
        }
        let Some(length) = rest[start..].iter().position(|byte| *byte == b'"') else { return };
        let (tag, after) = rest.split_at(start + length + 1);
        tags.push(tag);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(list: &str) -> Vec<String> {
        let mut tags = Vec::new();
        parse_tags(list.as_bytes(), &mut tags);
        tags.into_iter().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect()
    }

    #[test]
    fn lists_of_tags() {
        let cases: [(&str, &[&str]); 9] = [
            ("", &[]),
            (r#""a""#, &[r#""a""#]),
            (r#""a", W/"b" ,"c""#, &[r#""a""#, r#"W/"b""#, r#""c""#]),
            (r#","a",,"b""#, &[r#""a""#, r#""b""#]),
            (r#""a,b", """#, &[r#""a,b""#, r#""""#]),
            (r#""a"#, &[]),
            (r#"w/"a""#, &[]),
            (r#""a", b, "c""#, &[r#""a""#]),
            (r#"*, "a""#, &[]),
        ];
        for (list, expected) in cases {
            assert_eq!(tags(list), expected, "{list}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(list: Vec<u8>) {
            let mut tags = Vec::new();
            parse_tags(&list, &mut tags);
            prop_assert!(tags.iter().all(|tag| tag.ends_with(b"\"")));
        }
    }
}
