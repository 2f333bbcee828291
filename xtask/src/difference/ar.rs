//! Archives of object files: static libraries, Rust's among them, and Debian packages. Source: ar(5).

use super::Trace;
use super::archive::Member;

/// How every archive begins.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;
/// GNU's member that holds names of more than 15 characters.
const LONG_NAMES: &str = "//";

/// The members; `None` if it is no whole archive.
pub(super) fn members(archive: &[u8]) -> Option<Vec<Member>> {
    let mut rest = archive.strip_prefix(MAGIC)?;
    let mut members = Vec::new();
    let mut long_names: &[u8] = &[];
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(HEADER)?;
        let field =
            |from: usize, to: usize| Some(std::str::from_utf8(header.get(from..to)?).ok()?.trim_end());
        let size: usize = field(48, 58)?.parse().ok()?;
        let content = after.get(..size)?;
        // Members begin at even offsets.
        rest = after.get((size + size % 2).min(after.len())..)?;
        let name = field(0, 16)?;
        if name == LONG_NAMES {
            long_names = content;
        }
        members.push(Member {
            name: full_name(name, long_names),
            fields: vec![
                ("time", field(16, 28)?.to_owned(), Some(Trace::Time)),
                ("owner", field(28, 34)?.to_owned(), Some(Trace::Owner)),
                ("group", field(34, 40)?.to_owned(), Some(Trace::Owner)),
                ("mode", field(40, 48)?.to_owned(), Some(Trace::Mode)),
            ],
            content: content.to_vec(),
        });
    }
    Some(members)
}

/// `a.o/`, or `/17` for the name at offset 17 among the long ones.
fn full_name(name: &str, long_names: &[u8]) -> String {
    let long = name.strip_prefix('/').and_then(|offset| offset.parse::<usize>().ok());
    let found = long.and_then(|offset| long_names.get(offset..));
    match found.and_then(|rest| rest.split(|byte| *byte == b'\n').next()) {
        Some(line) => String::from_utf8_lossy(line).trim_end_matches('/').to_owned(),
        None if name.len() > 1 && !name.starts_with('/') => name.trim_end_matches('/').to_owned(),
        None => name.to_owned(),
    }
}
