//! From the path of a request to names below the folder. Pure.

/// What a request asks for: names of files, none of which can lead out of the folder by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Decoded names from the folder down: not empty, not `.` or `..`, without `/` and NUL. May be any other bytes, as
    /// Linux takes any.
    pub(crate) segments: Vec<Vec<u8>>,
    /// Whether the path ends in `/`, or is the mount itself.
    pub(crate) is_folder: bool,
}

/// Why a path asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A `%` without two hexadecimal digits behind it (RFC 3986, section 2.1).
    Encoding,
    /// There is no such file, whatever the disk holds.
    Nothing,
}

impl Wrong {
    pub(crate) fn status(self) -> u16 {
        match self {
            Wrong::Encoding => 400,
            Wrong::Nothing => 404,
        }
    }
}

/// The one name with a dot that is made to be public (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

impl Target {
    /// Reads `path`, as it was sent, below the route `mount`.
    ///
    /// # Errors
    /// See [`Wrong`].
    pub(crate) fn parse(path: &str, mount: &str, dot_files: bool) -> Result<Target, Wrong> {
        let rest = path.strip_prefix(mount).ok_or(Wrong::Nothing)?;
        if rest.is_empty() {
            return Ok(Target { segments: Vec::new(), is_folder: true });
        }
        // A mount that does not end in `/` takes only itself; that a host sends more is its mistake, not a way in.
        if !mount.ends_with('/') {
            return Err(Wrong::Nothing);
        }
        let (names, is_folder) = match rest.strip_suffix('/') {
            Some(names) => (names, true),
            None => (rest, false),
        };
        let mut segments = Vec::new();
        // Split before decoding, so that an encoded slash separates nothing.
        for (depth, encoded) in names.split('/').enumerate() {
            let name = decode(encoded).ok_or(Wrong::Encoding)?;
            if !is_plain_name(&name) || (!dot_files && is_hidden(&name, depth)) {
                return Err(Wrong::Nothing);
            }
            segments.push(name);
        }
        Ok(Target { segments, is_folder })
    }
}

fn is_plain_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

fn is_hidden(name: &[u8], depth: usize) -> bool {
    name.first() == Some(&b'.') && !(depth == 0 && name == WELL_KNOWN)
}

/// Takes percent-encoding away; `None` if it is broken.
fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hexadecimal(bytes.next()?)? << 4 | hexadecimal(bytes.next()?)?,
            plain => plain,
        });
    }
    Some(decoded)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// A name as one segment of a path: everything encoded that is not unreserved (RFC 3986, section 2.3).
pub(crate) fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(path: &str) -> Result<(Vec<String>, bool), Wrong> {
        let target = Target::parse(path, "/static/", false)?;
        let text = |segment: &Vec<u8>| String::from_utf8_lossy(segment).into_owned();
        Ok((target.segments.iter().map(text).collect(), target.is_folder))
    }

    #[test]
    fn names_are_decoded_once() {
        let cases: [(&str, &[&str], bool); 9] = [
            ("/static/", &[], true),
            ("/static/a", &["a"], false),
            ("/static/a/", &["a"], true),
            ("/static/a/b.txt", &["a", "b.txt"], false),
            ("/static/a%20b", &["a b"], false),
            ("/static/%61", &["a"], false),
            ("/static/%C3%a4", &["ä"], false),
            ("/static/%2561", &["%61"], false),
            ("/static/.well-known/x", &[".well-known", "x"], false),
        ];
        for (path, names, is_folder) in cases {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(parse(path), Ok((names, is_folder)), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_nothing() {
        for path in [
            "/static",
            "/other/a",
            "/static//",
            "/static//etc/passwd",
            "/static/a//b",
            "/static/.",
            "/static/..",
            "/static/../a",
            "/static/a/../b",
            "/static/a/..",
            "/static/%2e%2e/a",
            "/static/%2E./a",
            "/static/a%2fb",
            "/static/%2fetc/passwd",
            "/static/..%2f..%2fetc",
            "/static/a%00",
            "/static/a%00.txt",
            "/static/.env",
            "/static/%2eenv",
            "/static/a/.git/config",
            "/static/a/.well-known/x",
            "/static/.well-known/.x",
        ] {
            assert_eq!(parse(path), Err(Wrong::Nothing), "{path}");
        }
        for path in ["/static/%", "/static/a%2", "/static/%zz", "/static/%+1", "/static/a%"] {
            assert_eq!(parse(path), Err(Wrong::Encoding), "{path}");
        }
    }

    #[test]
    fn names_with_a_dot_are_a_choice_of_the_operator_but_never_a_way_out() {
        assert_eq!(Target::parse("/.env", "/", true).unwrap().segments, [b".env"]);
        assert_eq!(Target::parse("/..", "/", true), Err(Wrong::Nothing));
    }

    #[test]
    fn a_mount_without_slash_is_only_itself() {
        let itself = Target { segments: Vec::new(), is_folder: true };
        assert_eq!(Target::parse("/favicon.ico", "/favicon.ico", false), Ok(itself));
        assert_eq!(Target::parse("/favicon.ico/x", "/favicon.ico", false), Err(Wrong::Nothing));
    }

    proptest! {
        #[test]
        fn no_path_gives_a_name_that_leads_out(path in "/static/[ -~%./]{0,40}", dot_files: bool) {
            if let Ok(target) = Target::parse(&path, "/static/", dot_files) {
                for name in &target.segments {
                    prop_assert!(is_plain_name(name));
                    prop_assert!(dot_files || name[0] != b'.' || name == WELL_KNOWN);
                }
            }
        }

        #[test]
        fn dots_slashes_and_nul_stay_out_however_they_are_encoded(
            path in "(\\.|%2e|%2E|/|%2f|%2F|%00|%5c|a|%25){0,12}"
        ) {
            if let Ok(target) = Target::parse(&format!("/static/{path}"), "/static/", true) {
                prop_assert!(target.segments.iter().all(|name| is_plain_name(name)));
            }
        }

        #[test]
        fn every_name_can_be_asked_for(names in prop::collection::vec(prop::collection::vec(1u8.., 1..20), 1..4)) {
            let path = names.iter().map(|name| encode(name)).collect::<Vec<_>>().join("/");
            let target = Target::parse(&format!("/{path}"), "/", true);
            if names.iter().all(|name| is_plain_name(name)) {
                prop_assert_eq!(target.unwrap().segments, names);
            } else {
                prop_assert_eq!(target, Err(Wrong::Nothing));
            }
        }
    }
}
