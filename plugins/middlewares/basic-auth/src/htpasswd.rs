//! Files of users, one `name:hash` a line, as htpasswd(1) writes them.

use plugin_sdk::Error;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Names and hashes of a file, with the numbers of their lines.
pub(crate) type Lines = Vec<(usize, String, String)>;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Reads a file of users, and says what is odd about it.
///
/// # Errors
/// If it cannot be read, is malformed, or could have been written by anybody.
pub(crate) fn read(path: &Path) -> Result<(Lines, Option<String>), Error> {
    let wrong = |why: &str| Error::invalid(format!("file: {}: {why}", path.display()));
    // Looked at before it is opened, as opening a pipe would wait for its other end.
    let is_file = fs::metadata(path).map_err(|error| wrong(&error.to_string()))?.is_file();
    if !is_file {
        return Err(wrong("is no file"));
    }
    let mut file = File::open(path).map_err(|error| wrong(&error.to_string()))?;
    let metadata = file.metadata().map_err(|error| wrong(&error.to_string()))?;
    if metadata.mode() & 0o002 != 0 {
        return Err(wrong("everybody may write to it, and so make himself a user; chmod o-w"));
    }
    if metadata.len() > LONGEST {
        return Err(wrong(&format!("has {} bytes, and {LONGEST} are allowed", metadata.len())));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| wrong(&error.to_string()))?;
    let lines = parse(&text).map_err(|error| wrong(&error))?;
    let remark = metadata.mode() & 0o004 != 0;
    Ok((lines, remark.then(|| format!("{}: everybody may read the hashes; chmod o-r", path.display()))))
}

/// Empty lines and those that begin with `#` are left out.
fn parse(text: &str) -> Result<Lines, String> {
    let lines = text.lines().map(str::trim).enumerate().map(|(index, line)| (index + 1, line));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| match line.split_once(':') {
            Some((name, hash)) => Ok((number, name.to_owned(), hash.to_owned())),
            None => Err(format!("line {number} is not `name:hash`")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_names_and_hashes() {
        let lines = parse("# users\n\nalice:$2y$x\r\n  bob:$argon2:y  \n:z").unwrap();
        let expected = [(3, "alice", "$2y$x"), (4, "bob", "$argon2:y"), (5, "", "z")];
        assert_eq!(lines, expected.map(|(number, name, hash)| (number, name.to_owned(), hash.to_owned())));
        assert_eq!(parse("\nalice").unwrap_err(), "line 2 is not `name:hash`");
    }
}
