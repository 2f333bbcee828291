//! The folder of one run: what was measured, and everything that is rendered from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::environment::Environment;
use super::raw::{Sample, Suite};
use super::{page, plots};
use crate::atomic;

/// Where runs are kept, relative to the repository.
pub(crate) const RUNS: &str = "bench-results/runs";

const ENVIRONMENT: &str = "env.json";
const RAW: &str = "raw";

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// What it was made on and with.
    pub(crate) environment: Environment,
    /// What was measured, by suite.
    pub(crate) suites: Vec<Suite>,
}

impl Run {
    /// Reads the measured files of `folder`, and nothing that is rendered.
    ///
    /// # Errors
    /// A file is missing, damaged or of another version.
    pub(crate) fn read(folder: &Path) -> Result<Run> {
        let environment = serde_json::from_str(&text_of(&folder.join(ENVIRONMENT))?)
            .with_context(|| format!("cannot parse {}", folder.join(ENVIRONMENT).display()))?;
        let mut suites = Vec::new();
        for file in files_in(&folder.join(RAW), "json")? {
            let suite =
                Suite::parse(&text_of(&file)?).with_context(|| format!("cannot use {}", file.display()))?;
            ensure!(
                file.file_stem().is_some_and(|stem| *stem == *suite.name),
                "{} has the suite {:?}",
                file.display(),
                suite.name
            );
            suites.push(suite);
        }
        Ok(Run { environment, suites })
    }

    /// Writes what was measured and what is rendered from it.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let mut environment = serde_json::to_string_pretty(&self.environment)?;
        environment.push('\n');
        atomic::write(&folder.join(ENVIRONMENT), environment.as_bytes())?;
        for suite in &self.suites {
            let file = folder.join(RAW).join(format!("{}.json", suite.name));
            atomic::write(&file, suite.to_json()?.as_bytes())?;
        }
        self.write_rendered(folder)
    }

    /// Writes what is rendered, and removes plots that are no longer.
    pub(crate) fn write_rendered(&self, folder: &Path) -> Result<()> {
        let rendered = self.rendered();
        for file in files_in(folder, "svg")? {
            if !rendered.contains_key(&name_of(&file)) {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        for (name, text) in rendered {
            atomic::write(&folder.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    /// Every sample of every suite, also those that do not count.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.suites.iter().flat_map(|suite| &suite.series).flat_map(|series| &series.samples)
    }

    /// Everything that is rendered, by file name.
    pub(crate) fn rendered(&self) -> BTreeMap<String, String> {
        let mut files = plots::of_run(self);
        files.insert("README.md".to_owned(), page::render(self));
        files
    }

    /// Plots in `folder` that nothing renders.
    pub(crate) fn strangers(&self, folder: &Path) -> Result<Vec<String>> {
        let rendered = self.rendered();
        let names = files_in(folder, "svg")?.iter().map(|file| name_of(file)).collect::<Vec<_>>();
        Ok(names.into_iter().filter(|name| !rendered.contains_key(name)).collect())
    }
}

/// The folders of all runs in `repository`, oldest first, as their names begin with the date.
pub(crate) fn folders(repository: &Path) -> Result<Vec<PathBuf>> {
    let runs = repository.join(RUNS);
    if !runs.is_dir() {
        return Ok(Vec::new());
    }
    let list =
        || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(&runs)?.map(|entry| Ok(entry?.path())).collect() };
    let mut folders = list().with_context(|| format!("cannot list {}", runs.display()))?;
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    Ok(folders)
}

/// The folder that a person means: a path, or the name of a run that is committed.
///
/// # Errors
/// There is none, with the names there are.
pub(crate) fn find(repository: &Path, given: &str) -> Result<PathBuf> {
    let committed = repository.join(RUNS).join(given);
    for folder in [committed, PathBuf::from(given)] {
        if folder.join(ENVIRONMENT).is_file() {
            return Ok(folder);
        }
    }
    let names: Vec<String> = folders(repository)?.iter().map(|folder| name_of(folder)).collect();
    let known = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    anyhow::bail!("no run is at {given:?} ({ENVIRONMENT} is not there); committed runs: {known}")
}

fn text_of(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of `folder` with that extension, by name; none if it is not there.
fn files_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let list = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = list().with_context(|| format!("cannot list {}", folder.display()))?;
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> Run {
        Run {
            environment: super::super::environment::tests::sample(),
            suites: vec![super::super::raw::tests::sample()],
        }
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let repository = tempfile::tempdir().unwrap();
        let run = sample();
        let folder = repository.path().join(RUNS).join(run.environment.run_name());
        run.write(&folder).unwrap();
        assert_eq!(Run::read(&folder).unwrap(), run);
        assert_eq!(folders(repository.path()).unwrap(), std::slice::from_ref(&folder));
        assert_eq!(find(repository.path(), &run.environment.run_name()).unwrap(), folder);
        let error = find(repository.path(), "2020").unwrap_err().to_string();
        assert!(error.contains(&run.environment.run_name()), "{error}");
    }

    #[test]
    fn plots_that_nothing_renders_are_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let run = sample();
        run.write(folder.path()).unwrap();
        assert!(run.strangers(folder.path()).unwrap().is_empty());
        fs::write(folder.path().join("old.svg"), "").unwrap();
        assert_eq!(run.strangers(folder.path()).unwrap(), ["old.svg"]);
        run.write_rendered(folder.path()).unwrap();
        assert!(run.strangers(folder.path()).unwrap().is_empty());
    }
}
