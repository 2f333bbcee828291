//! Which origins are allowed. Origins are compared as bytes, in the form in which browsers write them
//! (RFC 6454, section 6.2; <https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin>).

use std::collections::HashSet;

/// A set of origins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// All, also those that are kept secret (`null`).
    Any,
    /// Those that are written down, and those that one of the patterns matches.
    Listed { exact: HashSet<Vec<u8>>, patterns: Vec<Pattern> },
}

/// `https://*.example.org`: hosts below a domain, not the domain itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// `https://`
    prefix: String,
    /// `.example.org`, perhaps with a port.
    suffix: String,
}

impl Origins {
    /// # Errors
    /// Which entry is wrong, and what is accepted.
    pub(crate) fn parse(entries: &[String]) -> Result<Origins, String> {
        if entries.iter().any(|entry| entry == "*") {
            return match entries {
                [_] => Ok(Origins::Any),
                _ => Err("`*` allows every origin and stands alone; remove it or the others".to_owned()),
            };
        }
        let (mut exact, mut patterns) = (HashSet::new(), Vec::new());
        for entry in entries {
            if entry.contains('*') {
                patterns.push(Pattern::parse(entry)?);
            } else {
                if entry != "null" {
                    check_origin(entry)?;
                }
                exact.insert(entry.clone().into_bytes());
            }
        }
        Ok(Origins::Listed { exact, patterns })
    }

    pub(crate) fn allows(&self, origin: &[u8]) -> bool {
        match self {
            Origins::Any => true,
            Origins::Listed { exact, patterns } => {
                exact.contains(origin) || patterns.iter().any(|pattern| pattern.matches(origin))
            }
        }
    }

    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Origins::Any)
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Origins::Listed { exact, patterns } if exact.is_empty() && patterns.is_empty())
    }
}

impl Pattern {
    fn parse(entry: &str) -> Result<Pattern, String> {
        let wrong = || {
            format!(
                "`{entry}` is no pattern; `*` stands for the labels before a domain of at least two, \
                 as in https://*.example.org"
            )
        };
        let (scheme, rest) = entry.split_once("://*.").ok_or_else(wrong)?;
        // What is left must be an origin by itself: that refuses a second star, a path and the like.
        check_origin(&format!("{scheme}://{rest}")).map_err(|_| wrong())?;
        let host = rest.split(':').next().unwrap_or_default();
        // Below a top-level domain anybody can register a name.
        if !host.contains('.') && host != "localhost" {
            return Err(wrong());
        }
        Ok(Pattern { prefix: format!("{scheme}://"), suffix: format!(".{rest}") })
    }

    fn matches(&self, origin: &[u8]) -> bool {
        let Some(rest) = origin.strip_prefix(self.prefix.as_bytes()) else { return false };
        let Some(labels) = rest.strip_suffix(self.suffix.as_bytes()) else { return false };
        labels.split(|byte| *byte == b'.').all(|label| !label.is_empty() && label.iter().all(is_label_byte))
    }
}

fn check_origin(entry: &str) -> Result<(), String> {
    let cure = if entry.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "browsers send it in lower case"
    } else if entry.ends_with('/') {
        "it has no path, not even a last `/`"
    } else if !entry.is_ascii() {
        "write an international name in its `xn--` form"
    } else {
        match parts(entry) {
            Some(("http", 80) | ("https", 443)) => "browsers leave out the default port",
            Some(_) => return Ok(()),
            None => "write scheme://host or scheme://host:port",
        }
    };
    Err(format!("`{entry}` is no origin: {cure}, as in https://app.example.org"))
}

/// Scheme and port (0 without one) of what is written as an origin.
fn parts(entry: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = entry.split_once("://")?;
    let is_scheme_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(is_scheme_byte) {
        return None;
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match rest.rfind(':').filter(|colon| !rest[*colon..].contains(']')) {
        Some(colon) => (&rest[..colon], Some(&rest[colon + 1..])),
        None => (rest, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| is_label_byte(&byte)))
        }
    };
    if !is_host {
        return None;
    }
    match port {
        None => Some((scheme, 0)),
        Some(port) if port.starts_with('0') || port.starts_with('+') => None,
        Some(port) => Some((scheme, port.parse().ok()?)),
    }
}

fn is_label_byte(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origins(entries: &[&str]) -> Result<Origins, String> {
        Origins::parse(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn listed_origins_and_no_others() {
        let list = origins(&[
            "https://app.example.org",
            "http://localhost:3000",
            "http://[::1]:8080",
            "https://*.example.net",
            "https://*.example.com:8443",
            "moz-extension://0a1b-2c",
        ])
        .unwrap();
        let cases = [
            ("https://app.example.org", true),
            ("http://app.example.org", false),
            ("https://app.example.org:8443", false),
            ("https://app.example.org.evil.test", false),
            ("https://APP.example.org", false),
            ("https://app.example.org/", false),
            ("http://localhost:3000", true),
            ("http://localhost:3001", false),
            ("http://[::1]:8080", true),
            ("moz-extension://0a1b-2c", true),
            ("https://a.example.net", true),
            ("https://a.b.example.net", true),
            ("https://example.net", false),
            ("https://.example.net", false),
            ("https://a..example.net", false),
            ("https://evil.test/.example.net", false),
            ("https://evil.test:1.example.net", false),
            ("https://evil@x.example.net", false),
            ("https://evilexample.net", false),
            ("http://a.example.net", false),
            ("https://a.example.net:444", false),
            ("https://a.example.com:8443", true),
            ("https://a.example.com", false),
            ("null", false),
            ("", false),
            ("*", false),
        ];
        for (origin, expected) in cases {
            assert_eq!(list.allows(origin.as_bytes()), expected, "{origin}");
        }
        assert!(origins(&["null"]).unwrap().allows(b"null"));
        assert!(origins(&["*"]).unwrap().allows(b"null"));
        assert!(!origins(&[]).unwrap().allows(b"null"));
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_the_cure() {
        let cases = [
            ("app.example.org", "write scheme://host"),
            ("https://app.example.org/", "not even a last `/`"),
            ("https://app.example.org/a", "write scheme://host"),
            ("https://App.example.org", "lower case"),
            ("https://app.example.org:443", "default port"),
            ("http://app.example.org:80", "default port"),
            ("https://app.example.org:08", "write scheme://host"),
            ("https://app.example.org:70000", "write scheme://host"),
            ("https://[::1", "write scheme://host"),
            ("https://user@app.example.org", "write scheme://host"),
            ("https://ä.example.org", "xn--"),
            ("://a", "write scheme://host"),
            ("", "write scheme://host"),
            ("https://*.org", "no pattern"),
            ("https://*", "no pattern"),
            ("*.example.org", "no pattern"),
            ("https://a.*.example.org", "no pattern"),
            ("https://*.*.example.org", "no pattern"),
            ("https://*.example.org/x", "no pattern"),
        ];
        for (entry, part) in cases {
            let error = origins(&[entry]).unwrap_err();
            assert!(error.contains(part) && error.contains(entry), "{entry}: {error}");
        }
        assert!(origins(&["*", "https://app.example.org"]).unwrap_err().contains("stands alone"));
    }

    proptest! {
        /// Whatever a pattern matches is an origin below the pattern's domain.
        #[test]
        fn a_pattern_matches_hosts_below_its_domain_only(origin in "https?://[a-z.:/@*\\[\\]_-]{0,12}(\\.example\\.org)?(:[0-9]{1,5})?") {
            let list = origins(&["https://*.example.org"]).unwrap();
            if list.allows(origin.as_bytes()) {
                prop_assert!(check_origin(&origin).is_ok(), "{}", origin);
                prop_assert!(origin.starts_with("https://") && origin.ends_with(".example.org"));
            }
        }
    }
}
