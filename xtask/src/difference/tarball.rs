//! Tar archives. Source: POSIX, pax; the GNU manual of tar.

use std::io::Read;

use super::Trace;
use super::archive::Member;

/// The members; `None` if it is no whole archive.
pub(super) fn members(archive: &[u8]) -> Option<Vec<Member>> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().ok()?;
    let members = entries.map(|entry| {
        let mut entry = entry.ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let header = entry.header();
        let number = |number: std::io::Result<u64>| number.ok().map(|number| number.to_string());
        let fields = vec![
            ("kind", format!("{:?}", header.entry_type()), None),
            ("time", number(header.mtime())?, Some(Trace::Time)),
            ("owner", number(header.uid())?, Some(Trace::Owner)),
            ("group", number(header.gid())?, Some(Trace::Owner)),
            ("owner's name", text(header.username_bytes().unwrap_or_default()), Some(Trace::Owner)),
            ("group's name", text(header.groupname_bytes().unwrap_or_default()), Some(Trace::Owner)),
            ("mode", format!("{:o}", header.mode().ok()?), Some(Trace::Mode)),
            ("link", text(&entry.link_name_bytes().unwrap_or_default()), None),
        ];
        let name = text(&entry.path_bytes());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        Some(Member { name, fields, content })
    });
    members.collect()
}
