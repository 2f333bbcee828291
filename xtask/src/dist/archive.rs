//! Archives whose bytes follow from their files alone: sorted, of nobody, of one time, with two modes.
//!
//! gzip and not zstd: every Linux has it, and tar on Debian 11 cannot unpack the other without a package more.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// 2000-01-01T00:00:00Z, in seconds since 1970, as in images.
const MODIFIED: u64 = 946_684_800;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// All of it.
    pub(super) content: Vec<u8>,
    /// Whether it is a program: mode 755 and not 644.
    pub(super) executable: bool,
}

/// A `.tar.gz` of `files`, by path, all below one folder called `name`.
///
/// # Errors
/// A path that tar cannot hold.
pub(super) fn pack(name: &str, files: &BTreeMap<String, File>) -> Result<Vec<u8>> {
    // No time and no name in gzip's header, and no system.
    let encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(encoder);
    let mut folders = BTreeSet::new();
    for (path, file) in files {
        let path = format!("{name}/{path}");
        for (end, _) in path.match_indices('/') {
            let folder = &path[..=end];
            if folders.insert(folder.to_owned()) {
                append(&mut archive, tar::EntryType::Directory, folder, 0o755, &[])?;
            }
        }
        let mode = if file.executable { 0o755 } else { 0o644 };
        append(&mut archive, tar::EntryType::Regular, &path, mode, &file.content)?;
    }
    let encoder = archive.into_inner().context("cannot end an archive")?;
    encoder.finish().context("cannot compress an archive")
}

fn append(
    archive: &mut tar::Builder<impl std::io::Write>,
    kind: tar::EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header.set_size(content.len() as u64);
    archive
        .append_data(&mut header, path, content)
        .with_context(|| format!("cannot put {path} into an archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, File> {
        let file = |content: &[u8], executable| File { content: content.to_vec(), executable };
        [
            ("bin/dyn-server".to_owned(), file(b"ELF", true)),
            ("README.md".to_owned(), file(b"# Words\n", false)),
            (format!("plugins/{}.so", "long".repeat(40)), file(b"ELF", false)),
        ]
        .into()
    }

    #[test]
    fn every_header_is_normal_and_folders_come_before_what_is_in_them() {
        let packed = pack("dynlab", &files()).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
            assert_eq!(header.mtime().unwrap(), MODIFIED);
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            seen.push((path, header.mode().unwrap(), header.size().unwrap()));
        }
        let expected = [
            ("dynlab/".to_owned(), 0o755, 0),
            ("dynlab/README.md".to_owned(), 0o644, 8),
            ("dynlab/bin/".to_owned(), 0o755, 0),
            ("dynlab/bin/dyn-server".to_owned(), 0o755, 3),
            ("dynlab/plugins/".to_owned(), 0o755, 0),
            (format!("dynlab/plugins/{}.so", "long".repeat(40)), 0o644, 3),
        ];
        assert_eq!(seen, expected);
        // Time, flags and system of gzip's header (RFC 1952, section 2.3).
        assert_eq!(&packed[3..8], &[0; 5]);
        assert_eq!(packed[9], 255);
    }

    #[test]
    fn the_same_files_are_the_same_bytes_and_others_are_not() {
        let packed = pack("dynlab", &files()).unwrap();
        assert_eq!(pack("dynlab", &files()).unwrap(), packed);
        let mut others = files();
        others.get_mut("README.md").unwrap().executable = true;
        assert_ne!(pack("dynlab", &others).unwrap(), packed);
    }
}
