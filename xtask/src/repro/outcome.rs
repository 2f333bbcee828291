//! What came of the parts: told as each ends, so that nothing is lost by what comes behind it, and in one sentence at the end.

use std::path::Path;

use anyhow::{Error, Result, bail};

use super::compare::Compared;
use super::parts::Part;
use crate::difference::Difference;
use crate::error::Stop;

/// So many files of a part are shown with their differences.
const SHOWN: usize = 20;

/// What came of a part.
pub(super) struct Outcome {
    pub(super) part: Part,
    /// Nothing if there was nothing to compare.
    pub(super) compared: Compared,
    /// Why it could not be built or compared, or is not as it should be; at most one for each build and one for both.
    pub(super) failures: Vec<Error>,
}

impl Outcome {
    /// Lines for a terminal. `builds` are the names and repositories of both.
    pub(super) fn tell(&self, builds: [(&str, &Path); 2]) -> String {
        let name = self.part.name();
        let mut text = String::new();
        for failure in &self.failures {
            text.push_str(&format!("{name}: FAILED: {failure:#}\n"));
        }
        let Compared { files, bytes, differences } = &self.compared;
        let line = match (differences.len(), files) {
            // What is the same where something was not built says little.
            (0, _) if !self.failures.is_empty() => None,
            (0, 0) if self.part == Part::Images => Some("all as their locks say".to_owned()),
            (0, 0) => Some("all as in the committed report".to_owned()),
            (0, _) => Some(format!("{files} files, {:.1} MB, all the same", *bytes as f64 / 1e6)),
            (number, _) => Some(format!("{number} of {files} files DIFFER")),
        };
        text.extend(line.map(|line| format!("{name}: {line}\n")));
        for (file, found) in differences.iter().take(SHOWN) {
            text.push_str(&format!("\n{}", explain(file, found, builds)));
        }
        if !differences.is_empty() {
            text.push('\n');
        }
        text
    }
}

/// Whether all parts came out the same.
///
/// # Errors
/// They did not: [`Stop::Disagreement`] where anything differs, whatever could not be built beside it; [`Stop::NotRun`] where all that is
/// missing could not be run here.
pub(super) fn conclude(outcomes: &[Outcome]) -> Result<()> {
    let differences = outcomes.iter().flat_map(|outcome| &outcome.compared.differences);
    let different: Vec<&Path> = differences.map(|(file, _)| file.as_path()).collect();
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).collect();
    let mut sentences = Vec::new();
    if let Some(first) = different.first() {
        let (number, first) = (different.len(), first.display());
        sentences.push(format!("{number} of the files are not the same in both builds, {first} first"));
    }
    if !failed.is_empty() {
        let names: Vec<String> = failed.iter().map(|outcome| outcome.part.name()).collect();
        sentences.push(format!("{} failed, and why stands above", names.join(", ")));
    }
    let sentence = sentences.join("; ");
    let mut codes = failed.iter().flat_map(|outcome| &outcome.failures).map(Stop::exit_code_of);
    if sentence.is_empty() {
        Ok(())
    } else if !different.is_empty() || codes.clone().any(|code| code == 1) {
        bail!(Stop::Disagreement(sentence))
    } else if codes.all(|code| code == 3) {
        bail!(Stop::NotRun(sentence))
    } else {
        bail!("{sentence}")
    }
}

/// A difference with both sides and what it comes from.
fn explain(file: &Path, found: &Difference, builds: [(&str, &Path); 2]) -> String {
    let mut text = format!("{}: {}\n", file.display(), found.place.join(", "));
    for ((name, repository), shown) in builds.into_iter().zip([&found.first, &found.second]) {
        text.push_str(&format!("  {name} build, {}: {shown}\n", repository.display()));
    }
    if let Some(cause) = &found.cause {
        text.push_str(&format!("  likely cause: {cause}\n"));
    }
    if found.others > 0 {
        text.push_str(&format!("  {} further parts of it differ, too\n", found.others));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::anyhow;

    use super::*;

    fn outcome(part: Part, files: usize, different: usize, failures: Vec<Error>) -> Outcome {
        let difference = |at: usize| {
            let found = Difference {
                place: vec!["line 1".to_owned()],
                first: "a".to_owned(),
                second: "b".to_owned(),
                cause: None,
                others: 1,
            };
            (PathBuf::from(format!("dist/{at}")), found)
        };
        let differences = (0..different).map(difference).collect();
        Outcome { part, compared: Compared { files, bytes: 2_500_000, differences }, failures }
    }

    fn tell(outcome: &Outcome) -> String {
        outcome.tell([("first", Path::new("/one")), ("second", Path::new("/two"))])
    }

    #[test]
    fn a_part_is_told_with_its_failures_and_the_first_of_its_differences() {
        assert_eq!(tell(&outcome(Part::Images, 0, 0, vec![])), "images: all as their locks say\n");
        let predicted = tell(&outcome(Part::Inspect, 0, 0, vec![]));
        assert_eq!(predicted, "inspect: all as in the committed report\n");
        assert_eq!(tell(&outcome(Part::Dist, 3, 0, vec![])), "dist: 3 files, 2.5 MB, all the same\n");
        let failed = outcome(Part::Images, 0, 0, vec![anyhow!("no such file").context("it ended")]);
        assert_eq!(tell(&failed), "images: FAILED: it ended: no such file\n");
        assert!(!tell(&outcome(Part::Dist, 3, 0, vec![anyhow!("it ended")])).contains("same"));
        let both = tell(&outcome(Part::Matrix, 40, SHOWN + 1, vec![anyhow!("a cell disagrees")]));
        let beginning = format!(
            "matrix: FAILED: a cell disagrees\n\
             matrix: {} of 40 files DIFFER\n\n\
             dist/0: line 1\n  first build, /one: a\n  second build, /two: b\n  1 further parts of it differ, too\n",
            SHOWN + 1
        );
        assert!(both.starts_with(&beginning), "{both}");
        assert!(both.contains("dist/19: ") && !both.contains("dist/20: "), "{both}");
    }

    #[test]
    fn what_differs_counts_more_than_what_could_not_be_built_and_nothing_is_forgotten() {
        let code = |outcomes: &[Outcome]| {
            let concluded = conclude(outcomes);
            concluded.err().map(|error| (Stop::exit_code_of(&error), error.to_string()))
        };
        let good = || outcome(Part::Reports, 2, 0, vec![]);
        let disagrees = || anyhow!(Stop::Disagreement("one cell".to_owned())).context("matrix");
        let not_run = || anyhow!(Stop::NotRun("no emulator".to_owned()));
        assert_eq!(code(&[good(), good()]), None);
        let different = code(&[outcome(Part::Dist, 9, 2, vec![]), good()]).unwrap();
        let sentence = "2 of the files are not the same in both builds, dist/0 first";
        assert_eq!(different, (1, sentence.to_owned()));
        let and_failed = code(&[
            outcome(Part::Dist, 9, 2, vec![]),
            outcome(Part::Nginx, 0, 0, vec![anyhow!("full")]),
            good(),
        ]);
        assert_eq!(and_failed, Some((1, format!("{sentence}; nginx failed, and why stands above"))));
        let failed = |failures| code(&[good(), outcome(Part::Matrix, 1, 0, failures)]).unwrap().0;
        assert_eq!(failed(vec![anyhow!("full"), disagrees()]), 1);
        assert_eq!(failed(vec![anyhow!("full"), not_run()]), 2);
        assert_eq!(failed(vec![not_run(), not_run()]), 3);
    }
}
