//! What kind of content a file has, from its name alone. Pure.

use crate::settings::Settings;

/// The content type of a file with that name: the operator's for its extension, else the usual one, else bytes.
pub(crate) fn of(name: &[u8], settings: &Settings) -> String {
    let content_type = extension(name).map_or_else(unknown, |extension| {
        let own = settings.types.get(&extension).cloned();
        own.unwrap_or_else(|| {
            mime_guess::from_ext(&extension).first_raw().map_or_else(unknown, str::to_owned)
        })
    });
    let wants_charset =
        content_type.starts_with("text/") && !content_type.contains(';') && !settings.charset.is_empty();
    if wants_charset {
        format!("{content_type}; charset={}", settings.charset)
    } else {
        content_type
    }
}

fn unknown() -> String {
    "application/octet-stream".to_owned()
}

/// What stands behind the last dot, in lower case. A name that only begins with a dot has none.
fn extension(name: &[u8]) -> Option<String> {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0)?;
    let extension = std::str::from_utf8(&name[dot + 1..]).ok()?;
    Some(extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_types() {
        let mut settings = Settings::default();
        settings.types.insert("foo".into(), "text/x-foo".into());
        settings.types.insert("txt".into(), "text/plain; charset=us-ascii".into());
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "application/javascript"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.webp", "image/webp"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"),
            ("a.pdf", "application/pdf"),
            ("a.tar.gz", "application/gzip"),
            ("a.foo", "text/x-foo; charset=utf-8"),
            ("a.txt", "text/plain; charset=us-ascii"),
            ("a.", "application/octet-stream"),
            ("a", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("a.nobody-knows", "application/octet-stream"),
        ] {
            assert_eq!(of(name.as_bytes(), &settings), expected, "{name}");
        }
        assert_eq!(of(b"a.\xff", &settings), "application/octet-stream");
        settings.charset.clear();
        assert_eq!(of(b"a.css", &settings), "text/css");
    }
}
