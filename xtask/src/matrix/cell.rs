//! One artifact in one host: what was predicted, what was observed, what `lab.toml` expects, and whether all three agree.

use plugin_compat::{Reason, Verdict};
use serde::{Deserialize, Serialize};

use crate::lab::{Expectation, Outcome};

/// What the probe saw inside the host image: its own verdict, and then the loader alone, whatever that verdict was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observed {
    /// How loading ended.
    pub(crate) outcome: Outcome,
    /// How far it came: open, dlopen, note, abi, entry, descriptor, accept, create or call.
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// The code of the reason, where the loader's words tell one.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// The words of the loader, of the contract's checks or of the plugin.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// What the host crate said of the same bytes inside the image, before it loaded them.
    pub(crate) judged: Judged,
}

/// A verdict reached inside the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// Whether the host crate would load it.
    pub(crate) loadable: bool,
    /// Why not.
    pub(crate) reasons: Vec<JudgedReason>,
}

/// A reason given inside the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JudgedReason {
    /// Its code.
    pub(crate) code: String,
    /// Its sentence.
    pub(crate) text: String,
}

/// What tables count, a column each.
pub(super) const OUTCOMES: [&str; 6] = ["works", "refused", "declined", "failed", "crashed", "hung"];

/// How the report says that nothing could be observed.
pub(crate) const NOT_RUN: &str = "not run";

/// A cell of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The name of the host image.
    pub(crate) host: String,
    /// `TARGET/NAME` of the artifact.
    pub(crate) artifact: String,
    /// `works` or `refused`, from the bytes, outside the image.
    pub(crate) predicted: String,
    /// What the host did inside the image: `refused` if it judged so, else what became of loading it: `works`, `refused`, `declined`,
    /// `failed`, `crashed` or `hung`. `not run` where nothing could be observed.
    pub(crate) observed: String,
    /// What `lab.toml` says the host does.
    pub(crate) expected: String,
    /// What the loader alone did with the bytes, with no verdict before it.
    pub(crate) loader: String,
    /// Whether prediction, observation and expectation fit together.
    pub(crate) agree: bool,
    /// Why the verdict refuses, most fundamental first; empty when it does not.
    pub(crate) reasons: Vec<CellReason>,
    /// How far the loader alone came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<String>,
    /// The words with which it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The plugin's own code decides: no reader of bytes can foresee the observation.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub(crate) unforeseeable: bool,
    /// What does not fit, where `agree` is false.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) disagreements: Vec<String>,
}

/// A coded reason in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CellReason {
    /// The stable code.
    pub(crate) code: String,
    /// The sentence, with both sides and the cure.
    pub(crate) text: String,
}

/// Compares the three, or says why nothing could be observed.
pub(crate) fn compare(
    host: &str,
    artifact: &str,
    verdict: &Verdict,
    observed: Result<&Observed, &str>,
    expected: &Expectation,
    answers: Option<&str>,
) -> Cell {
    let reasons: Vec<CellReason> = verdict.reasons.iter().map(CellReason::from).collect();
    let (disagreements, host_did, loader_did) = match observed {
        Ok(seen) => (
            [disagreements(&reasons, seen, expected), wrong_answer(seen, answers)].concat(),
            seen.by_the_host().to_string(),
            seen.outcome.to_string(),
        ),
        Err(why) => (vec![format!("not run, because {why}")], NOT_RUN.to_owned(), NOT_RUN.to_owned()),
    };
    Cell {
        host: host.to_owned(),
        artifact: artifact.to_owned(),
        predicted: if reasons.is_empty() { "works" } else { "refused" }.to_owned(),
        observed: host_did,
        expected: expected.by_the_host().to_string(),
        loader: loader_did,
        agree: disagreements.is_empty(),
        reasons,
        stage: observed.ok().and_then(|seen| seen.stage.clone()),
        message: observed.ok().and_then(|seen| seen.message.clone()),
        unforeseeable: expected.is_unforeseeable(),
        disagreements,
    }
}

fn disagreements(reasons: &[CellReason], seen: &Observed, expected: &Expectation) -> Vec<String> {
    let mut found = Vec::new();
    let predicted = reasons.first().map_or("works", |reason| reason.code.as_str());
    let foreseen = expected.predicted.in_a_word();
    if predicted != foreseen {
        found.push(format!("predicted {predicted}, expected {foreseen}"));
    }
    let inside: Vec<&str> = seen.judged.reasons.iter().map(|reason| reason.code.as_str()).collect();
    let outside: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    if inside != outside {
        found.push(format!("judged {inside:?} inside the image, {outside:?} from outside"));
    }
    if seen.outcome != expected.alone {
        found.push(format!("the loader alone: {}, expected {}", seen.outcome, expected.alone));
    }
    // musl does not look at the machine: it stumbles over whatever comes next, which says nothing about the prediction.
    if let (Outcome::Refused, Some(code)) = (seen.outcome, &seen.code)
        && !outside.contains(&code.as_str())
        && predicted != "elf.machine"
    {
        found.push(format!("the loader alone refused for {code}, predicted {outside:?}"));
    }
    found
}

/// A plugin that works and answers something else than it should.
fn wrong_answer(seen: &Observed, answers: Option<&str>) -> Vec<String> {
    let answer = seen.message.as_deref().unwrap_or_default();
    match answers {
        Some(wanted) if seen.outcome == Outcome::Works && !answer.contains(wanted) => {
            vec![format!("answered {answer:?}, expected {wanted:?} in it")]
        }
        _ => Vec::new(),
    }
}

impl Observed {
    /// What a host does, which loads nothing that it judges to be wrong.
    fn by_the_host(&self) -> Outcome {
        if self.judged.loadable { self.outcome } else { Outcome::Refused }
    }
}

impl From<&Reason> for CellReason {
    fn from(reason: &Reason) -> CellReason {
        CellReason { code: reason.code.to_string(), text: reason.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcome: Outcome, code: Option<&str>, judged: &[&str]) -> Observed {
        let reasons =
            judged.iter().map(|code| JudgedReason { code: (*code).to_owned(), text: String::new() });
        Observed {
            outcome,
            stage: None,
            code: code.map(str::to_owned),
            message: None,
            judged: Judged { loadable: judged.is_empty(), reasons: reasons.collect() },
        }
    }

    #[test]
    fn a_cell_that_was_not_run_never_agrees_and_says_why() {
        let verdict = Verdict::of(Vec::new());
        let cell = compare(
            "host",
            "artifact",
            &verdict,
            Err("there is no binfmt_misc"),
            &Expectation::works(),
            None,
        );
        assert!(!cell.agree);
        assert_eq!((cell.observed.as_str(), cell.loader.as_str()), (NOT_RUN, NOT_RUN));
        assert_eq!(cell.disagreements, ["not run, because there is no binfmt_misc"]);
    }

    #[test]
    fn a_plugin_that_works_has_to_answer_what_it_should() {
        let answered = |outcome, message: &str| Observed {
            message: Some(message.to_owned()),
            ..seen(outcome, None, &[])
        };
        let works = |message| wrong_answer(&answered(Outcome::Works, message), Some("200 hello"));
        assert_eq!(works("GET / 200 hello there"), Vec::<String>::new());
        assert_eq!(works("GET / 404"), [r#"answered "GET / 404", expected "200 hello" in it"#]);
        assert!(wrong_answer(&answered(Outcome::Works, "anything"), None).is_empty());
        assert!(wrong_answer(&answered(Outcome::Refused, "no such file"), Some("200 hello")).is_empty());
    }

    #[test]
    fn agreement_needs_verdicts_loader_and_expectation() {
        use Outcome::{Crashed, Declined, Refused, Works};
        struct Case {
            outside: &'static [&'static str],
            seen: Observed,
            expected: Expectation,
            odd: usize,
        }
        let crash = Expectation { alone: Crashed, ..Expectation::works() };
        let no = Expectation { alone: Declined, ..Expectation::works() };
        let truncated = Expectation { alone: Crashed, ..Expectation::refused("elf.truncated") };
        let major = Expectation::refused("abi.major");
        let works = Expectation::works();
        let cases = [
            Case { outside: &[], seen: seen(Works, None, &[]), expected: works.clone(), odd: 0 },
            Case {
                outside: &["abi.major"],
                seen: seen(Refused, Some("abi.major"), &["abi.major"]),
                expected: major.clone(),
                odd: 0,
            },
            Case {
                outside: &["elf.truncated"],
                seen: seen(Crashed, None, &["elf.truncated"]),
                expected: truncated,
                odd: 0,
            },
            Case { outside: &[], seen: seen(Crashed, None, &[]), expected: crash.clone(), odd: 0 },
            Case {
                outside: &[],
                seen: seen(Declined, Some("accept.declined"), &[]),
                expected: no.clone(),
                odd: 0,
            },
            Case { outside: &[], seen: seen(Works, None, &[]), expected: no, odd: 1 },
            Case {
                outside: &[],
                seen: seen(Declined, Some("accept.declined"), &[]),
                expected: works.clone(),
                odd: 1,
            },
            Case { outside: &[], seen: seen(Works, None, &[]), expected: crash, odd: 1 },
            Case {
                outside: &["abi.minor"],
                seen: seen(Refused, None, &["abi.minor"]),
                expected: major.clone(),
                odd: 1,
            },
            Case { outside: &[], seen: seen(Refused, None, &[]), expected: works, odd: 1 },
            Case { outside: &["abi.major"], seen: seen(Refused, None, &[]), expected: major.clone(), odd: 1 },
            Case {
                outside: &["abi.major"],
                seen: seen(Refused, Some("elf.machine"), &["abi.major"]),
                expected: major,
                odd: 1,
            },
        ];
        for Case { outside, seen, expected, odd } in cases {
            let reasons: Vec<CellReason> = outside
                .iter()
                .map(|code| CellReason { code: (*code).to_owned(), text: String::new() })
                .collect();
            let found = disagreements(&reasons, &seen, &expected);
            assert_eq!(found.len(), odd, "{outside:?} {seen:?}: {found:?}");
        }
    }
}
