//! One artifact in one host: what was predicted, what was observed, what `lab.toml` expects, and whether all three agree.

use plugin_compat::{Reason, Verdict};
use serde::{Deserialize, Serialize};

use crate::lab::{Expectation, Observation, Prediction};

/// What the probe saw when it loaded the bytes inside the host image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observed {
    /// How it ended.
    pub(crate) outcome: Observation,
    /// How far it came: open, dlopen, note, abi, entry, descriptor, accept, create or call.
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// The words of the loader, of the contract's checks or of the plugin.
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// The signal that ended a crashed process.
    #[serde(default)]
    pub(crate) signal: Option<i32>,
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

/// A cell of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The name of the host image.
    pub(crate) host: String,
    /// `TARGET/NAME` of the artifact.
    pub(crate) artifact: String,
    /// `works` or `refused`, from the bytes.
    pub(crate) predicted: String,
    /// What the loader did: `works`, `refused`, `failed`, `crashed`, `hung`, or `not run`.
    pub(crate) observed: String,
    /// What `lab.toml` says the loader does.
    pub(crate) expected: String,
    /// Whether prediction, observation and expectation fit together.
    pub(crate) agree: bool,
    /// Why the verdict refuses, most fundamental first; empty when it does not.
    pub(crate) reasons: Vec<CellReason>,
    /// How far raw loading came.
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
) -> Cell {
    let reasons: Vec<CellReason> = verdict.reasons.iter().map(CellReason::from).collect();
    let (disagreements, shown) = match observed {
        Ok(observed) => (disagreements(&reasons, observed, expected), observed.outcome.to_string()),
        Err(why) => (vec![format!("not run, because {why}")], "not run".to_owned()),
    };
    Cell {
        host: host.to_owned(),
        artifact: artifact.to_owned(),
        predicted: if reasons.is_empty() { "works" } else { "refused" }.to_owned(),
        observed: shown,
        expected: expected.observed.to_string(),
        agree: disagreements.is_empty(),
        reasons,
        stage: observed.ok().and_then(|observed| observed.stage.clone()),
        message: observed.ok().and_then(|observed| observed.message.clone()),
        unforeseeable: expected.is_unforeseeable(),
        disagreements,
    }
}

fn disagreements(reasons: &[CellReason], observed: &Observed, expected: &Expectation) -> Vec<String> {
    let mut found = Vec::new();
    let predicted = reasons.first().map_or("works", |reason| reason.code.as_str());
    let foreseen = match &expected.predicted {
        Prediction::Works => "works",
        Prediction::Refused(code) => code,
    };
    if predicted != foreseen {
        found.push(format!("predicted {predicted}, expected {foreseen}"));
    }
    if observed.outcome != expected.observed {
        found.push(format!("observed {}, expected {}", observed.outcome, expected.observed));
    }
    let inside: Vec<&str> = observed.judged.reasons.iter().map(|reason| reason.code.as_str()).collect();
    let outside: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    if inside != outside {
        found.push(format!("judged {inside:?} inside the image, {outside:?} from outside"));
    }
    found
}

impl From<&Reason> for CellReason {
    fn from(reason: &Reason) -> CellReason {
        CellReason { code: reason.code.to_string(), text: reason.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcome: Observation, codes: &[&str]) -> Observed {
        Observed {
            outcome,
            stage: None,
            message: None,
            signal: None,
            judged: Judged {
                loadable: codes.is_empty(),
                reasons: codes
                    .iter()
                    .map(|code| JudgedReason { code: (*code).to_owned(), text: String::new() })
                    .collect(),
            },
        }
    }

    fn reasons(codes: &[&str]) -> Vec<CellReason> {
        codes.iter().map(|code| CellReason { code: (*code).to_owned(), text: String::new() }).collect()
    }

    #[test]
    fn agreement_needs_all_three() {
        use Observation::{Crashed, Refused, Works};
        let crash = Expectation { predicted: Prediction::Works, observed: Crashed };
        let cases: [(&[&str], Observation, &[&str], Expectation, usize); 7] = [
            (&[], Works, &[], Expectation::works(), 0),
            (&["abi.major"], Refused, &["abi.major"], Expectation::refused("abi.major"), 0),
            (&[], Crashed, &[], crash.clone(), 0),
            (&[], Works, &[], crash, 1),
            (&["abi.minor"], Refused, &["abi.minor"], Expectation::refused("abi.major"), 1),
            (&[], Refused, &[], Expectation::works(), 1),
            (&["elf.machine"], Refused, &[], Expectation::refused("elf.machine"), 1),
        ];
        for (outside, outcome, inside, expected, count) in cases {
            let found = disagreements(&reasons(outside), &seen(outcome, inside), &expected);
            assert_eq!(found.len(), count, "{outside:?} {outcome} {inside:?}: {found:?}");
        }
    }
}
