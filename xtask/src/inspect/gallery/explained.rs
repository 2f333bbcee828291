//! Why some observations are not what was predicted: data, each piece of which has to be needed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::images::any_matches;

pub(super) const FILE: &str = "containers/gallery/explained.toml";

/// An explanation of disagreements.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Explanation {
    /// Patterns of artifacts' names.
    pub(super) files: Vec<String>,
    /// Patterns of hosts' names.
    pub(super) hosts: Vec<String>,
    pub(super) why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    explained: Vec<Explanation>,
}

/// A cell that disagrees.
pub(super) trait Odd {
    fn host(&self) -> &str;
    fn artifact(&self) -> &str;
    /// What was predicted and what happened, in a line.
    fn words(&self) -> String;
}

impl Odd for crate::inspect::cell::Cell {
    fn host(&self) -> &str {
        &self.host
    }

    fn artifact(&self) -> &str {
        &self.artifact
    }

    fn words(&self) -> String {
        let reasons: Vec<String> =
            self.reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.text)).collect();
        let observed = self.observed.unwrap_or(self.predicted);
        let message = self.message.as_deref().unwrap_or("no words");
        format!("predicted {:?} {reasons:?}, observed {observed:?} ({message})", self.predicted)
    }
}

impl Odd for super::report::Disagreement {
    fn host(&self) -> &str {
        &self.host
    }

    fn artifact(&self) -> &str {
        &self.artifact
    }

    fn words(&self) -> String {
        format!("predicted {:?}, observed {:?}", self.predicted, self.observed)
    }
}

pub(super) fn read(repository: &Path) -> Result<Vec<Explanation>> {
    let text = fs::read_to_string(repository.join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    Ok(toml::from_str::<File>(&text).context(FILE)?.explained)
}

/// The explanation of each cell; or a line for each that has none, and for each explanation of nothing.
pub(super) fn explain<T: Odd>(
    odd: &[T],
    explanations: &[Explanation],
) -> std::result::Result<Vec<String>, Vec<String>> {
    let explains = |explanation: &&Explanation, cell: &T| {
        any_matches(&explanation.files, cell.artifact()) && any_matches(&explanation.hosts, cell.host())
    };
    let mut problems = Vec::new();
    let mut whys = Vec::new();
    for cell in odd {
        match explanations.iter().find(|explanation| explains(explanation, cell)) {
            Some(explanation) => whys.push(explanation.why.clone()),
            None => {
                problems.push(format!(
                    "not explained: {} in {}: {}",
                    cell.artifact(),
                    cell.host(),
                    cell.words()
                ));
            }
        }
    }
    for explanation in explanations {
        if !odd.iter().any(|cell| explains(&explanation, cell)) {
            problems.push(format!("explains nothing: {:?} in {:?}", explanation.files, explanation.hosts));
        }
    }
    if problems.is_empty() { Ok(whys) } else { Err(problems) }
}
