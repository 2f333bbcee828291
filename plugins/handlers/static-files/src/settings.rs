//! What the operator may set, and whether it makes sense.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The settings of one instance. The README has them as a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The folder whose files are served, as an absolute path.
    pub(crate) folder: PathBuf,
    /// The file that is served for a folder; empty for none.
    pub(crate) index: String,
    /// Most bytes of a file in one response.
    pub(crate) largest_response: u64,
    /// The value of the field `cache-control`; empty to leave it out.
    pub(crate) cache_control: String,
    /// Appended to the content types of texts; empty to leave it out.
    pub(crate) charset: String,
    /// Content types by extension, instead of the usual ones. Extensions in lower case, without the dot.
    pub(crate) types: BTreeMap<String, String>,
    /// Whether names that begin with a dot are served.
    pub(crate) dot_files: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            folder: PathBuf::new(),
            index: "index.html".to_owned(),
            largest_response: 64 * 1024 * 1024,
            cache_control: String::new(),
            charset: "utf-8".to_owned(),
            types: BTreeMap::new(),
            dot_files: false,
        }
    }
}

impl Settings {
    /// Checks everything that can be checked without looking at the disk.
    ///
    /// # Errors
    /// The setting, its value and what is accepted.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.folder.as_os_str().is_empty() {
            return Err("`folder` is missing; name the folder to serve, such as \"/srv/www\"".to_owned());
        }
        if !self.folder.is_absolute() {
            return Err(format!(
                "`folder` is {:?}; give an absolute path, such as \"/srv/www\"",
                self.folder
            ));
        }
        if self.index.contains(['/', '\0']) || self.index == "." || self.index == ".." {
            return Err(format!(
                "`index` is {:?}; give the name of a file, without a folder, or \"\" for none",
                self.index
            ));
        }
        if self.largest_response == 0 {
            return Err("`largest-response` is 0; give at least 1 byte".to_owned());
        }
        field_value("cache-control", &self.cache_control)?;
        field_value("charset", &self.charset)?;
        for (extension, content_type) in &self.types {
            if extension.is_empty() || extension.chars().any(|one| matches!(one, '.' | 'A'..='Z')) {
                return Err(format!(
                    "`types` has {extension:?}; give extensions in lower case, without a dot"
                ));
            }
            field_value("types", content_type)?;
            if !content_type.contains('/') {
                return Err(format!(
                    "`types` has {content_type:?} for {extension:?}; give a content type, such as \"text/plain\""
                ));
            }
        }
        Ok(())
    }
}

/// Whether a text can stand in a header field.
fn field_value(name: &str, text: &str) -> Result<(), String> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    Err(format!("`{name}` has {text:?}; give printable ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut Settings)) -> Result<(), String> {
        let mut settings = Settings { folder: "/srv/www".into(), ..Settings::default() };
        change(&mut settings);
        settings.check()
    }

    #[test]
    fn what_makes_sense_is_taken() {
        settings(|_| ()).unwrap();
        settings(|settings| settings.index.clear()).unwrap();
        settings(|settings| settings.cache_control = "public, max-age=60".into()).unwrap();
        settings(|settings| drop(settings.types.insert("foo".into(), "text/x-foo".into()))).unwrap();
    }

    #[test]
    fn what_does_not_is_named() {
        type Change = fn(&mut Settings);
        let cases: [(Change, &str); 9] = [
            (|one| one.folder = PathBuf::new(), "`folder` is missing"),
            (|one| one.folder = "www".into(), "`folder` is \"www\"; give an absolute path"),
            (|one| one.index = "a/b".into(), "`index` is \"a/b\""),
            (|one| one.index = "..".into(), "`index` is \"..\""),
            (|one| one.largest_response = 0, "`largest-response` is 0"),
            (|one| one.cache_control = "a\r\nb: c".into(), "`cache-control` has \"a\\r\\nb: c\""),
            (|one| drop(one.types.insert(".foo".into(), "a/b".into())), "`types` has \".foo\""),
            (|one| drop(one.types.insert("FOO".into(), "a/b".into())), "`types` has \"FOO\""),
            (|one| drop(one.types.insert("foo".into(), "plain".into())), "`types` has \"plain\" for \"foo\""),
        ];
        for (change, part) in cases {
            let error = settings(change).unwrap_err();
            assert!(error.starts_with(part), "{error}");
        }
    }
}
