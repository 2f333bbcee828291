//! `bench-results/matrix/matrix.json`: the whole matrix, the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::markdown;
use crate::atomic;
use crate::error::Stop;
use crate::lab::{Arch, Libc};

const JSON: &str = "bench-results/matrix/matrix.json";
/// The page that people read, relative to the repository.
pub(crate) const PAGE: &str = "bench-results/matrix/README.md";

/// Everything that a run found out, without times and without anything of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whether every image was the one in its lock.
    pub(crate) pinned: bool,
    /// The digest of the image that built all artifacts.
    pub(crate) toolchain_digest: String,
    /// Host images, in the order of `lab.toml`.
    pub(crate) hosts: Vec<HostRow>,
    /// Artifacts by target, in the order of `lab.toml`.
    pub(crate) artifacts: Vec<ArtifactRow>,
    /// Every host with every artifact.
    pub(crate) cells: Vec<Cell>,
}

/// A host image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRow {
    /// The name of the image.
    pub(crate) name: String,
    /// Its architecture.
    pub(crate) arch: Arch,
    /// Its C library.
    pub(crate) libc: Libc,
    /// The version of that, read from its bytes.
    pub(crate) libc_version: String,
    /// `sha256:<hex>` of the image's configuration, which Docker calls its ID.
    pub(crate) image_digest: String,
}

/// A plugin or fixture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ArtifactRow {
    /// Its name in `lab.toml`.
    pub(crate) name: String,
    /// The kind of plugin.
    pub(crate) kind: String,
    /// The target that it was built for.
    pub(crate) target: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
    /// The newest glibc symbol version that it needs, where it needs any.
    pub(crate) glibc_floor: Option<String>,
}

impl HostRow {
    /// The C library as people name it: `glibc 2.36`, `musl 1.2.5`.
    pub(crate) fn libc_name(&self) -> String {
        let family = match self.libc {
            Libc::Gnu => "glibc",
            Libc::Musl => "musl",
        };
        format!("{family} {}", self.libc_version)
    }
}

impl ArtifactRow {
    /// How cells name it.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.target, self.name)
    }
}

impl Report {
    /// The cell of `artifact` (see [`ArtifactRow::id`]) in `host`.
    pub(crate) fn cell(&self, host: &str, artifact: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.host == host && cell.artifact == artifact)
    }

    /// As it is committed.
    pub(crate) fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).context("cannot encode the report")?;
        text.push('\n');
        Ok(text)
    }

    /// Writes `matrix.json`, the page rendered from it and the table in the front page of `repository`.
    pub(crate) fn write(&self, repository: &Path) -> Result<()> {
        for (file, text) in self.files(repository)? {
            atomic::write(&file, text.as_bytes())?;
        }
        Ok(())
    }

    /// Compares with what is committed in `repository`; a run of only some hosts or targets with its part of it.
    ///
    /// # Errors
    /// [`Stop::Disagreement`] with the first line or cell that differs.
    pub(crate) fn check(&self, repository: &Path, whole: bool) -> Result<()> {
        if !whole {
            return self.check_part(repository);
        }
        for (file, text) in self.files(repository)? {
            let committed = fs::read_to_string(&file).unwrap_or_default();
            if let Some((line, old, new)) = first_difference(&committed, &text) {
                return Err(stale(&file, format!("line {line}: committed {old:?}, now {new:?}")));
            }
        }
        Ok(())
    }

    fn check_part(&self, repository: &Path) -> Result<()> {
        let file = repository.join(JSON);
        let committed = Report::read(&file)?;
        for host in &self.hosts {
            if !committed.hosts.contains(host) {
                return Err(stale(&file, format!("host {} is another or absent there", host.name)));
            }
        }
        for artifact in &self.artifacts {
            if !committed.artifacts.contains(artifact) {
                return Err(stale(&file, format!("artifact {} is another or absent there", artifact.id())));
            }
        }
        for cell in &self.cells {
            if committed.cell(&cell.host, &cell.artifact) != Some(cell) {
                return Err(stale(&file, format!("{} in {} is another there", cell.artifact, cell.host)));
            }
        }
        Ok(())
    }

    fn read(file: &Path) -> Result<Report> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("cannot parse {}", file.display()))
    }

    fn files(&self, repository: &Path) -> Result<[(PathBuf, String); 3]> {
        let front = repository.join("README.md");
        let text = fs::read_to_string(&front).with_context(|| format!("cannot read {}", front.display()))?;
        Ok([
            (repository.join(JSON), self.to_json()?),
            (repository.join(PAGE), markdown::page(self)),
            (front, with_table(&text, &markdown::front_table(self))?),
        ])
    }
}

/// Renders everything that is made from the committed `matrix.json` again and compares; needs neither images nor artifacts.
pub(crate) fn check_rendering(repository: &Path) -> Result<()> {
    Report::read(&repository.join(JSON))?.check(repository, true)
}

/// `text` with `table` between the two marks.
fn with_table(text: &str, table: &str) -> Result<String> {
    const BEGIN: &str = "<!-- generated by `cargo xtask matrix`: begin -->\n";
    const END: &str = "<!-- generated: end -->";
    let (head, rest) = text.split_once(BEGIN).with_context(|| format!("README.md has no line {BEGIN:?}"))?;
    let (_, tail) = rest.split_once(END).with_context(|| format!("README.md has no {END:?}"))?;
    Ok(format!("{head}{BEGIN}{table}{END}{tail}"))
}

fn stale(file: &Path, difference: String) -> anyhow::Error {
    let name = file.display();
    Stop::Disagreement(format!(
        "{name} is stale ({difference}); run `cargo xtask matrix` and commit what it writes"
    ))
    .into()
}

fn first_difference<'a>(old: &'a str, new: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if old == new {
        return None;
    }
    let mut old_lines = old.lines();
    let mut new_lines = new.lines();
    for line in 1.. {
        let (old, new) = (old_lines.next(), new_lines.next());
        if old != new || old.is_none() {
            return Some((line, old.unwrap_or("<end>").trim(), new.unwrap_or("<end>").trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_between_the_marks() {
        let text = "a\n<!-- generated by `cargo xtask matrix`: begin -->\nold\n<!-- generated: end -->\nb\n";
        let renewed = with_table(text, "new\n").unwrap();
        assert_eq!(renewed, text.replace("old", "new"));
        assert_eq!(with_table(&renewed, "new\n").unwrap(), renewed);
        assert!(with_table("no marks", "new\n").is_err());
    }

    #[test]
    fn a_run_of_a_part_is_compared_with_its_part_of_the_committed_report() {
        let repository = crate::paths::repository().unwrap();
        let mut report = Report::read(&repository.join(JSON)).unwrap();
        report.hosts.truncate(1);
        let host = report.hosts[0].name.clone();
        report.cells.retain(|cell| cell.host == host);
        report.check(&repository, false).unwrap();
        report.cells[0].observed = "another outcome".to_owned();
        let error = report.check(&repository, false).unwrap_err();
        let sentence = error.to_string();
        assert_eq!(Stop::exit_code_of(&error), 1);
        for part in [&host, &report.cells[0].artifact, "matrix.json is stale", "run `cargo xtask matrix`"] {
            assert!(sentence.contains(part), "{part:?} is not in: {sentence}");
        }
    }

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some((2, "b", "c")));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some((2, "<end>", "b")));
        assert_eq!(first_difference("a", "a\n"), Some((2, "<end>", "<end>")));
    }
}
