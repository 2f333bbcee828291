//! The licences of crates that are part of what is shipped, as they ask to be passed on with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::linked::{CrateId, LinkGraph, Linked};
use super::{Workshop, vendor};

/// How files with a licence, or with what else has to be passed on, begin.
const BEGINNINGS: [&str; 6] = ["licen", "copying", "copyright", "notice", "unlicense", "authors"];
/// How many folders below a crate's own such files are looked for: sources of others that it comes with have theirs there.
const DEPTH: usize = 3;
/// Folders that nothing is compiled from.
const NOT_COMPILED: [&str; 6] = ["tests", "test", "benches", "examples", "doc", "docs"];
/// Licences whose texts are known without the crate: this repository stands under them itself.
const KNOWN: [&str; 2] = ["Apache-2.0", "MIT"];

/// What a crate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// As in its manifest: an SPDX expression; absent where it only points at a text.
    pub(crate) licence: Option<String>,
    /// Those that its manifest names.
    authors: Vec<String>,
    /// By path in the crate.
    texts: Vec<(String, String)>,
}

/// One text about all crates of others that `packages` of the workspace in `folder` (below the repository; empty for its root) link for
/// `target`.
///
/// # Errors
/// A crate without its manifest in the folder of vendored crates, or one that has no text of its licence.
pub(super) fn of(workshop: &Workshop<'_>, folder: &str, packages: &[&str], target: &str) -> Result<String> {
    let graph = LinkGraph::read(workshop, folder, &packages.iter().copied().collect(), target)?;
    let roots = packages.iter().map(|package| graph.ours(package)).collect::<Result<Vec<_>>>()?;
    Ok(render(&read_all(workshop, folder, &graph.closure(roots))?))
}

/// What each of `crates` says about itself; they are of the workspace in `folder`. Those of this repository are left out.
///
/// # Errors
/// A crate without its manifest in the folder of vendored crates, or one that has no text of its licence.
pub(crate) fn read_all(
    workshop: &Workshop<'_>,
    folder: &str,
    crates: &BTreeMap<&CrateId, &Linked>,
) -> Result<BTreeMap<CrateId, Notice>> {
    let vendored = vendor::ensure(&workshop.ground.repository.join(folder), &workshop.ground.cache)?;
    let of_others = crates.iter().filter(|(_, linked)| !linked.is_ours);
    let read = |id: &CrateId| read(&vendored.join(id.to_string())).with_context(|| format!("crate {id}"));
    of_others.map(|(id, _)| Ok(((*id).clone(), read(id)?))).collect()
}

fn read(folder: &Path) -> Result<Notice> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let manifest: toml::Table = toml::from_str(&manifest)?;
    let field = |name: &str| manifest.get("package").and_then(|package| package.get(name));
    let licence = field("license").and_then(toml::Value::as_str).map(str::to_owned);
    let authors = field("authors").and_then(toml::Value::as_array).into_iter().flatten();
    let authors = authors.filter_map(|author| author.as_str().map(str::to_owned)).collect();
    let mut texts = Vec::new();
    collect_texts(folder, folder, DEPTH, &mut texts)?;
    if let Some(named) = field("license-file").and_then(toml::Value::as_str)
        && !texts.iter().any(|(name, _)| name == named)
    {
        texts.push((named.to_owned(), text_of(&folder.join(named))?));
    }
    texts.sort();
    let is_known = licence.as_ref().is_some_and(|licence| KNOWN.iter().any(|known| licence.contains(known)));
    if texts.is_empty() && !is_known {
        bail!("it has no text of its licence ({}); take another crate", licence.as_deref().unwrap_or("none"));
    }
    Ok(Notice { licence, authors, texts })
}

fn collect_texts(folder: &Path, root: &Path, depth: usize, texts: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 && !NOT_COMPILED.contains(&name.as_str()) {
            collect_texts(&entry.path(), root, depth - 1, texts)?;
        } else if kind.is_file() && is_notice(&name) {
            let path = entry.path();
            let place = path.strip_prefix(root)?.to_string_lossy().into_owned();
            texts.push((place, text_of(&path)?));
        }
    }
    Ok(())
}

/// By its name in small letters; a source that deals with licences is none.
fn is_notice(name: &str) -> bool {
    let is_source = [".rs", ".c", ".h", ".toml", ".py", ".sh"].iter().any(|end| name.ends_with(end));
    !is_source && BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

fn text_of(file: &Path) -> Result<String> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&content).trim_end().to_owned())
}

/// Each crate with its licence, then each text once, with the crates whose it is.
pub(crate) fn render(notices: &BTreeMap<CrateId, Notice>) -> String {
    let mut text = String::new();
    // Many are the same but for spaces.
    let mut owners: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for (id, notice) in notices {
        text.push_str(&format!("{id}: {}", notice.licence.as_deref().unwrap_or("see its texts")));
        if notice.texts.is_empty() {
            let authors =
                if notice.authors.is_empty() { "its authors".to_owned() } else { notice.authors.join(", ") };
            text.push_str(&format!(
                " (by {authors}; it comes without a text, those of these licences lie beside this file)"
            ));
        }
        text.push('\n');
        for (file, content) in &notice.texts {
            let words = content.split_whitespace().collect::<Vec<_>>().join(" ");
            owners.entry(words).or_insert((content, Vec::new())).1.push(format!("{id}/{file}"));
        }
    }
    let mut texts: Vec<_> = owners.into_values().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1));
    for (content, files) in texts {
        text.push_str(&format!("\n{}\n{}\n\n{content}\n", "-".repeat(72), files.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_text_that_many_share_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut notices = BTreeMap::new();
        for (name, text) in [("a", "Permission is granted.\n"), ("b", "Permission\n  is granted.")] {
            let one = folder.path().join(name);
            let manifest = "[package]\nname = \"x\"\nlicense = \"MIT\"\n";
            write(&one, &[("Cargo.toml", manifest), ("LICENSE-MIT", text), ("README.md", "not a licence")]);
            let id = CrateId { name: name.to_owned(), version: "1.0.0".to_owned() };
            notices.insert(id, read(&one).unwrap());
        }
        let text = render(&notices);
        assert!(text.starts_with("a-1.0.0: MIT\nb-1.0.0: MIT\n"), "{text}");
        assert_eq!(text.matches("Permission is granted.").count(), 1, "{text}");
        assert!(
            text.contains("\na-1.0.0/LICENSE-MIT, b-1.0.0/LICENSE-MIT\n") && !text.contains("README"),
            "{text}"
        );
    }

    #[test]
    fn texts_of_sources_that_a_crate_comes_with_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("Cargo.toml", "[package]\nname = \"zstd-sys\"\nlicense = \"MIT\"\n"),
            ("zstd/LICENSE", "BSD"),
            ("zstd/lib/licence.c", "int x;"),
            ("tests/LICENSE", "of a test"),
        ];
        write(folder.path(), &files);
        let notice = read(folder.path()).unwrap();
        assert_eq!(notice.texts, [("zstd/LICENSE".to_owned(), "BSD".to_owned())]);
    }

    #[test]
    fn a_crate_without_a_text_is_told_by_its_authors_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "[package]\nname = \"x\"\nlicense = \"MIT/Apache-2.0\"\nauthors = [\"Ada\"]\n";
        write(folder.path(), &[("Cargo.toml", manifest)]);
        let id = CrateId { name: "x".to_owned(), version: "1.0.0".to_owned() };
        let text = render(&[(id, read(folder.path()).unwrap())].into());
        assert!(text.starts_with("x-1.0.0: MIT/Apache-2.0 (by Ada; it comes without a text"), "{text}");

        write(folder.path(), &[("Cargo.toml", "[package]\nname = \"x\"\nlicense = \"MPL-2.0\"\n")]);
        let error = read(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "it has no text of its licence (MPL-2.0); take another crate");
    }
}
