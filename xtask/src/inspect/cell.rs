//! One file in one host: what was predicted, what was observed, and whether the two agree.

use plugin_compat::{Code, Layer, Verdict, code_of_message};
use serde::{Deserialize, Serialize};

use super::subject::Subject;

/// How opening a file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) outcome: Outcome,
    /// The loader's words, a signal or a status.
    pub(super) message: String,
    /// The reason that the loader's words tell, where they tell one.
    pub(super) code: Option<Code>,
}

/// How opening a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// The loader gave a handle; its constructors have run.
    Loads,
    /// The loader said no.
    Refused,
    /// The process ended before it could say anything.
    Crashed,
    /// It used up its time.
    Hung,
}

/// A cell of the report, with the keys of the matrix's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    /// The name of the host.
    pub(super) host: String,
    /// The file, as it was named.
    pub(super) artifact: String,
    /// What the loader does, from the bytes.
    pub(super) predicted: Outcome,
    /// What it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) observed: Option<Outcome>,
    /// Whether the two agree, where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) agree: Option<bool>,
    /// What speaks against it, the most fundamental first.
    pub(super) reasons: Vec<CellReason>,
    /// What does not keep it from loading and should be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<String>,
    /// The code of the reason that the loader's words tell, where they tell one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// The loader's words, or how the process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// A coded reason in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CellReason {
    /// The stable code.
    pub(super) code: String,
    /// The sentence, with both sides and the cure.
    pub(super) text: String,
    /// Whether the loader itself would stop there; if not, only the judge warns.
    pub(super) by_loader: bool,
}

/// What the loader does with a file that these speak against.
pub(super) fn predicted(mut reasons: impl Iterator<Item = Code>) -> Outcome {
    if reasons.any(|code| code.layer() == Layer::Loader) { Outcome::Refused } else { Outcome::Loads }
}

/// Whether an observation is what was predicted from `reasons`: the file loads where it was to, and where the loader says why not (`told`), that is among
/// them. A process that ends before the loader says anything has not loaded the file.
pub(super) fn agrees(
    observed: Outcome,
    told: Option<Code>,
    reasons: impl Iterator<Item = Code> + Clone,
) -> bool {
    if (observed == Outcome::Loads) != (predicted(reasons.clone()) == Outcome::Loads) {
        return false;
    }
    // musl does not look at the machine: it stumbles over whatever comes next, which says nothing about the prediction.
    let is_foreign = reasons.clone().any(|reason| reason == Code::ElfMachine);
    let is_predicted = |told: Code| {
        reasons.clone().any(|reason| {
            reason == told
                // musl does not find such a function by its name.
                || (told, reason) == (Code::SymbolUndefined, Code::LibcIndirectFunctions)
                || (told, reason) == (Code::LibcSymbolVersion, Code::LibrarySymbolVersion)
                // glibc asks first whether there are as many bytes as a header has, and takes debug information for what it finds in it.
                || (told, reason) == (Code::ElfTruncated, Code::ElfNotElf)
                || (told, reason) == (Code::ElfStatic, Code::ElfDebugOnly)
        })
    };
    is_foreign || told.is_none_or(is_predicted)
}

/// What the judge remarks on in some of a file's cells, each with the hosts where it does, in the order in which they come.
pub(super) fn remarks<'a>(cells: &[&'a Cell]) -> Vec<(&'a str, Vec<String>)> {
    let mut remarks: Vec<(&str, Vec<String>)> = Vec::new();
    for cell in cells {
        for remark in &cell.remarks {
            match remarks.iter_mut().find(|(known, _)| known == remark) {
                Some((_, hosts)) => hosts.push(cell.host.clone()),
                None => remarks.push((remark, vec![cell.host.clone()])),
            }
        }
    }
    remarks
}

impl Outcome {
    /// As reports have it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Outcome::Loads => "loads",
            Outcome::Refused => "refused",
            Outcome::Crashed => "crashed",
            Outcome::Hung => "hung",
        }
    }
}

impl Observed {
    /// What was seen of the file that was opened at `path`.
    pub(super) fn of(outcome: Outcome, message: String, path: &str) -> Observed {
        let code = (outcome == Outcome::Refused).then(|| code_of_message(&message, path)).flatten();
        Observed { outcome, message, code }
    }
}

impl Cell {
    pub(super) fn of(host: &str, subject: &Subject, verdict: &Verdict, seen: Option<&Observed>) -> Cell {
        let reasons: Vec<CellReason> = verdict
            .reasons
            .iter()
            .map(|reason| CellReason {
                code: reason.code.to_string(),
                text: reason.text.clone(),
                by_loader: reason.code.layer() == Layer::Loader,
            })
            .collect();
        let codes = verdict.reasons.iter().map(|reason| reason.code);
        Cell {
            host: host.to_owned(),
            artifact: subject.name.clone(),
            predicted: predicted(codes.clone()),
            observed: seen.map(|seen| seen.outcome),
            agree: seen.map(|seen| agrees(seen.outcome, seen.code, codes)),
            code: seen.and_then(|seen| seen.code).map(|code| code.to_string()),
            reasons,
            remarks: verdict.remarks.clone(),
            message: seen.map(|seen| seen.message.clone()).filter(|message| !message.is_empty()),
        }
    }
}
