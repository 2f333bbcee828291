//! The files of two builds, byte by byte.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::parts::Product;
use crate::build::Manifest;
use crate::difference::{self, Cause, Clues, Difference, Trace};

/// What a time stamp in a file may be older than the file: sources are older than what is built from them.
const DAY: u64 = 24 * 60 * 60;
/// What holds digests of the rest, and so differs because of it.
const MANIFEST: &str = "manifest.json";

/// What came out of a comparison.
#[derive(Default)]
pub(super) struct Compared {
    /// How many files were compared.
    pub(super) files: usize,
    /// How large those of the first build are, in bytes.
    pub(super) bytes: u64,
    /// By file, relative to the repositories.
    pub(super) differences: Vec<(PathBuf, Difference)>,
}

/// Compares everything in `products` between the repositories `first` and `second`.
///
/// # Errors
/// A product that a build has not made, or that cannot be read.
pub(super) fn compare(products: &[Product], [first, second]: [&Path; 2], clues: &Clues) -> Result<Compared> {
    let mut compared = Compared::default();
    for product in products {
        let (mut files, modes) = (files_of(product, first)?, matches!(product, Product::Manifested(_)));
        files.extend(files_of(product, second)?);
        ensure!(!files.is_empty(), "{product:?} has no files that could be compared");
        let mut files: Vec<PathBuf> = files.into_iter().collect();
        files.sort_by_key(|file| file.ends_with(MANIFEST));
        for file in files {
            let pair = [first.join(&file), second.join(&file)];
            let (found, bytes) = compare_file(&pair, modes, clues)
                .with_context(|| format!("cannot compare {} of both builds", file.display()))?;
            compared.files += 1;
            compared.bytes += bytes;
            compared.differences.extend(found.map(|found| (file, found)));
        }
    }
    Ok(compared)
}

/// The difference of two files, and the size of the first.
fn compare_file(pair: &[PathBuf; 2], modes: bool, clues: &Clues) -> Result<(Option<Difference>, u64)> {
    let metadata = [&pair[0], &pair[1]].map(|file| fs::metadata(file).ok().filter(Metadata::is_file));
    let [Some(one), Some(other)] = &metadata else {
        let word =
            |metadata: &Option<Metadata>| if metadata.is_some() { "made" } else { "not made" }.to_owned();
        let [first, second] = [&metadata[0], &metadata[1]].map(word);
        let place = vec!["the whole file".to_owned()];
        return Ok((Some(Difference { place, first, second, cause: None, others: 0 }), 0));
    };
    let (first, second) = (fs::read(&pair[0])?, fs::read(&pair[1])?);
    let clues = Clues { times: Some(times(one, other)), ..clues.clone() };
    let found = difference::find(&first, &second, &clues).or_else(|| {
        let [one, other] = [one, other].map(|metadata| metadata.permissions().mode() & 0o7777);
        let cause = Cause { trace: Trace::Mode, what: "the umask".to_owned() };
        (modes && one != other).then(|| Difference {
            place: vec!["its mode".to_owned()],
            first: format!("{one:o}"),
            second: format!("{other:o}"),
            cause: Some(cause),
            others: 0,
        })
    });
    Ok((found, first.len() as u64))
}

/// The seconds since 1970 in which both files were made, from the oldest source on.
fn times(one: &Metadata, other: &Metadata) -> std::ops::RangeInclusive<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
    let written = u64::try_from(one.mtime().min(other.mtime())).unwrap_or_default();
    written.saturating_sub(DAY)..=now
}

/// The files of a product, relative to `repository`.
fn files_of(product: &Product, repository: &Path) -> Result<BTreeSet<PathBuf>> {
    match product {
        Product::File(file) => Ok([file.clone()].into()),
        Product::Manifested(folder) => {
            let manifest = Manifest::read_verified(&repository.join(folder)).with_context(|| {
                format!("{} has no {MANIFEST} that fits its files", repository.join(folder).display())
            })?;
            let files = manifest.artifacts.into_iter().map(|built| folder.join(built.file));
            Ok(files.chain([folder.join(MANIFEST)]).collect())
        }
        Product::Folder(folder) => {
            let mut files = BTreeSet::new();
            let mut waiting = vec![folder.clone()];
            while let Some(here) = waiting.pop() {
                let listed = repository.join(&here);
                for entry in
                    fs::read_dir(&listed).with_context(|| format!("cannot list {}", listed.display()))?
                {
                    let entry = entry?;
                    let place = here.join(entry.file_name());
                    if entry.file_type()?.is_dir() {
                        waiting.push(place);
                    } else {
                        files.insert(place);
                    }
                }
            }
            Ok(files)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::build::{Built, sha256};

    /// A repository with these files, those of `dist/t` in a manifest.
    fn repository(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let mut artifacts = Vec::new();
        for (name, content) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, content).unwrap();
            if let Some(name) = name.strip_prefix("dist/t/") {
                artifacts.push(Built {
                    name: name.to_owned(),
                    kind: "handler".to_owned(),
                    file: name.to_owned(),
                    sha256: sha256(content),
                    size: content.len() as u64,
                    glibc_floor: None,
                    source_digest: String::new(),
                    inputs: String::new(),
                });
            }
        }
        let manifest = Manifest { target: "t".into(), image_digest: String::new(), artifacts };
        manifest.write(&root.path().join("dist/t")).unwrap();
        root
    }

    fn products() -> [Product; 2] {
        [Product::Manifested("dist/t".into()), Product::Folder("reports".into())]
    }

    fn lines(first: &Path, second: &Path) -> Vec<String> {
        let compared = compare(&products(), [first, second], &Clues::default()).unwrap();
        compared.differences.iter().map(|(file, found)| format!("{}: {found}", file.display())).collect()
    }

    #[test]
    fn every_file_of_both_is_compared() {
        let usual: [(&str, &[u8]); 3] =
            [("dist/t/a.so", b"\0one"), ("reports/a.md", b"a\n"), ("reports/deep/b.md", b"b\n")];
        let first = repository(&usual);
        let same = repository(&usual);
        let compared = compare(&products(), [first.path(), same.path()], &Clues::default()).unwrap();
        assert_eq!((compared.files, compared.differences.len()), (4, 0));
        assert!(compared.bytes > 8, "{}", compared.bytes);

        let second =
            repository(&[("dist/t/a.so", b"\0two"), ("reports/a.md", b"a\n"), ("reports/deep/c.md", b"c\n")]);
        let found = lines(first.path(), second.path());
        assert_eq!(found[0], "dist/t/a.so: byte 1: 6f 6e 65 and 74 77 6f");
        assert!(found[1].starts_with("dist/t/manifest.json: artifacts[0].sha256: "), "{found:?}");
        assert_eq!(found[2], "reports/deep/b.md: the whole file: made and not made");
        assert_eq!(found[3], "reports/deep/c.md: the whole file: not made and made");
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn modes_count_where_files_are_shipped() {
        let files: [(&str, &[u8]); 2] = [("dist/t/a.so", b"one"), ("reports/a.md", b"a\n")];
        let (first, second) = (repository(&files), repository(&files));
        for file in ["dist/t/a.so", "reports/a.md"] {
            fs::set_permissions(second.path().join(file), Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(first.path().join(file), Permissions::from_mode(0o644)).unwrap();
        }
        assert_eq!(lines(first.path(), second.path()), ["dist/t/a.so: its mode: 644 and 600"]);
    }

    #[test]
    fn what_was_not_built_is_no_agreement() {
        let first = repository(&[("dist/t/a.so", b"one"), ("reports/a.md", b"a\n")]);
        let refused = |product: Product| {
            format!("{:#}", compare(&[product], [first.path(); 2], &Clues::default()).err().unwrap())
        };
        assert!(refused(Product::Manifested("dist/none".into())).contains("dist/none has no manifest.json"));
        assert!(refused(Product::Folder("none".into())).contains("cannot list"));
        fs::create_dir(first.path().join("empty")).unwrap();
        assert!(refused(Product::Folder("empty".into())).contains("no files"));
        fs::write(first.path().join("dist/t/a.so"), "changed").unwrap();
        assert!(refused(Product::Manifested("dist/t".into())).contains("fits its files"));
    }
}
