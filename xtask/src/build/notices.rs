//! The licences of all crates that are part of what is shipped, as they ask to be passed on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::compile_rust::{cargo_environment, vendored_config};
use super::{Workshop, inside, run_inside, vendor};

/// How files with a licence, or with what else has to be passed on, begin.
const BEGINNINGS: [&str; 6] = ["licen", "copying", "copyright", "notice", "unlicense", "authors"];

/// What a crate says about itself.
struct Notice {
    /// As in its manifest: an SPDX expression.
    licence: String,
    /// By file name.
    texts: Vec<(String, String)>,
}

/// One text about all crates that `packages` of the workspace in `folder` (below the repository; empty for its root) link for `target`.
///
/// # Errors
/// A crate without its manifest in the folder of vendored crates.
pub(super) fn of(workshop: &Workshop<'_>, folder: &str, packages: &[&str], target: &str) -> Result<String> {
    let repository = &workshop.ground.repository;
    let crates = vendor::ensure(&repository.join(folder), &workshop.ground.cache)?;
    let manifest = format!("{}/{folder}/Cargo.toml", inside::SOURCES).replace("//", "/");
    let fixed = ["/usr/bin/cargo", "tree", "--locked", "--offline", "--manifest-path", &manifest];
    let mut argv = fixed.map(str::to_owned).to_vec();
    argv.extend(
        ["--edges", "normal,no-proc-macro", "--prefix", "none", "--target", target].map(str::to_owned),
    );
    argv.extend(packages.iter().flat_map(|package| ["--package".to_owned(), (*package).to_owned()]));
    argv.extend(vendored_config());
    let printed = run_inside(workshop, &argv, cargo_environment("notices"), Some(&crates), None)?;
    let mut notices = BTreeMap::new();
    for name in linked(&String::from_utf8_lossy(&printed)) {
        notices.insert(name.clone(), read(&crates.join(&name)).with_context(|| format!("crate {name}"))?);
    }
    Ok(render(&notices))
}

/// The crates in what `cargo tree` printed, as `name-version`; those of this repository have a path behind them.
fn linked(tree: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let is_ours = words.next().is_some_and(|word| word.starts_with("(/"));
        (!is_ours).then(|| format!("{name}-{version}"))
    };
    tree.lines().filter_map(line).collect()
}

fn read(folder: &Path) -> Result<Notice> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let manifest: toml::Table = toml::from_str(&manifest)?;
    let field = |name: &str| manifest.get("package").and_then(|package| package.get(name)?.as_str());
    let licence = field("license").or(field("license-file")).unwrap_or("see its texts").to_owned();
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_one = BEGINNINGS.iter().any(|beginning| name.to_ascii_lowercase().starts_with(beginning));
        if is_one && entry.file_type()?.is_file() {
            texts.push((name, String::from_utf8_lossy(&fs::read(entry.path())?).trim_end().to_owned()));
        }
    }
    texts.sort();
    Ok(Notice { licence, texts })
}

/// Each crate with its licence, then each text once, with the crates whose it is.
fn render(notices: &BTreeMap<String, Notice>) -> String {
    let mut text = String::new();
    // Many are the same but for spaces.
    let mut owners: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for (name, notice) in notices {
        text.push_str(&format!("{name}: {}\n", notice.licence));
        for (file, content) in &notice.texts {
            let words = content.split_whitespace().collect::<Vec<_>>().join(" ");
            owners.entry(words).or_insert((content, Vec::new())).1.push(format!("{name}/{file}"));
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

    #[test]
    fn crates_of_others_are_found_in_a_tree() {
        let tree = "backend v0.1.0 (/src/ngx-backend/daemon)\nanyhow v1.0.1\nserde v1.0.2 (*)\nanyhow v1.0.1 (*)\n\nmap v0.1.0 (/src/map) (*)\n";
        assert_eq!(linked(tree), BTreeSet::from(["anyhow-1.0.1".to_owned(), "serde-1.0.2".to_owned()]));
    }

    #[test]
    fn a_text_that_many_share_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut notices = BTreeMap::new();
        for (name, text) in
            [("a-1.0.0", "Permission is granted.\n"), ("b-2.0.0", "Permission\n  is granted.")]
        {
            let one = folder.path().join(name);
            fs::create_dir(&one).unwrap();
            fs::write(one.join("Cargo.toml"), "[package]\nname = \"x\"\nlicense = \"MIT\"\n").unwrap();
            fs::write(one.join("LICENSE-MIT"), text).unwrap();
            fs::write(one.join("README.md"), "not a licence").unwrap();
            notices.insert(name.to_owned(), read(&one).unwrap());
        }
        let text = render(&notices);
        assert!(text.starts_with("a-1.0.0: MIT\nb-2.0.0: MIT\n"), "{text}");
        assert_eq!(text.matches("Permission is granted.").count(), 1, "{text}");
        assert!(
            text.contains("\na-1.0.0/LICENSE-MIT, b-2.0.0/LICENSE-MIT\n") && !text.contains("README"),
            "{text}"
        );
    }
}
