//! One scenario in one host: what was predicted of its plugins, what the server did, and what `lab.toml` expects.

use std::collections::BTreeMap;

use plugin_compat::Verdict;
use serde::{Deserialize, Serialize};

use super::cell::NOT_RUN;
use super::fates::{LOADED, fits};
use crate::lab::{Expectation, Outcome};

/// What the client saw of the server inside the host image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Driven {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// How far it came: start, listen, load, request or stop.
    pub(crate) stage: String,
    /// The server's code for why it refused a plugin.
    pub(crate) code: Option<String>,
    /// What it answered, or why it did not.
    pub(crate) message: String,
    /// What it did with the files beside its plugins, by their names: `loaded`, or its code.
    pub(crate) beside: BTreeMap<String, String>,
}

/// A scenario's cell of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScenarioCell {
    /// The name of the host image.
    pub(crate) host: String,
    /// The name of the scenario.
    pub(crate) scenario: String,
    /// `works` if every plugin's bytes say so, outside the image; else the code for which the first of them is refused.
    pub(crate) predicted: String,
    /// What the server did inside the image: `works`, `refused`, `declined`, `failed`, `crashed` or `hung`;
    /// `not run` where nothing could be observed.
    pub(crate) observed: String,
    /// What `lab.toml` says it does.
    pub(crate) expected: String,
    /// Whether prediction, observation and expectation fit together.
    pub(crate) agree: bool,
    /// How far it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<String>,
    /// What it answered, or why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// What it did with the files beside its plugins.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) beside: BTreeMap<String, String>,
    /// What does not fit, where `agree` is false.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) disagreements: Vec<String>,
}

/// Compares the three, or says why nothing could be observed.
pub(crate) fn compare(
    host: &str,
    scenario: &str,
    plugins: &[&Verdict],
    beside: &BTreeMap<String, String>,
    observed: Result<&Driven, &str>,
    expected: &Expectation,
) -> ScenarioCell {
    let refusal = plugins.iter().find_map(|verdict| verdict.reasons.first());
    let predicted = refusal.map_or_else(|| "works".to_owned(), |reason| reason.code.to_string());
    let disagreements = match observed {
        Ok(driven) => {
            let mut found = disagreements(&predicted, driven, expected);
            if driven.outcome == Outcome::Works {
                found.extend(beside.iter().filter_map(|(name, fate)| beside_it(name, driven, fate)));
            }
            found
        }
        Err(why) => vec![format!("not run, because {why}")],
    };
    ScenarioCell {
        host: host.to_owned(),
        scenario: scenario.to_owned(),
        predicted,
        observed: observed.map_or_else(|_| NOT_RUN.to_owned(), |driven| driven.outcome.to_string()),
        expected: expected.by_the_host().to_string(),
        agree: disagreements.is_empty(),
        stage: observed.ok().map(|driven| driven.stage.clone()),
        message: observed.ok().map(|driven| message(driven, disagreements.is_empty())),
        beside: observed.map_or_else(|_| BTreeMap::new(), |driven| driven.beside.clone()),
        disagreements,
    }
}

fn disagreements(predicted: &str, driven: &Driven, expected: &Expectation) -> Vec<String> {
    let mut found = Vec::new();
    let foreseen = expected.predicted.in_a_word();
    if predicted != foreseen {
        found.push(format!("its plugins: predicted {predicted}, expected {foreseen}"));
    }
    if driven.outcome != expected.by_the_host() {
        found.push(format!(
            "the server: {} at stage {} ({}), expected {}",
            driven.outcome,
            driven.stage,
            driven.message,
            expected.by_the_host()
        ));
    }
    if let (Outcome::Refused, Some(code)) = (driven.outcome, &driven.code)
        && code != predicted
    {
        found.push(format!("the server refused a plugin for {code}, predicted {predicted}"));
    }
    found
}

/// What the server answered, and how many files it used; `each_for_its_code` is whether all is as expected.
fn message(driven: &Driven, each_for_its_code: bool) -> String {
    if driven.beside.is_empty() {
        return driven.message.clone();
    }
    let loaded = driven.beside.values().filter(|did| *did == LOADED).count();
    let refused = driven.beside.len() - loaded;
    let end = if each_for_its_code { ", each for its code" } else { "" };
    format!("{}; {loaded} loaded, {refused} refused{end}", driven.message)
}

/// What is wrong with what the server did with a file beside its plugins.
fn beside_it(name: &str, driven: &Driven, fate: &str) -> Option<String> {
    let did = driven.beside.get(name).map_or("nothing", String::as_str);
    (!fits(fate, did)).then(|| format!("{name}: {did}, expected {fate}"))
}

#[cfg(test)]
mod tests {
    use plugin_compat::{Code, Reason};

    use super::*;

    fn driven(outcome: Outcome, code: Option<&str>) -> Driven {
        let (stage, message) = ("request".to_owned(), "GET /ip: no answer".to_owned());
        Driven { outcome, stage, code: code.map(str::to_owned), message, beside: BTreeMap::new() }
    }

    #[test]
    fn a_server_that_does_not_do_what_is_expected_makes_the_row_disagree() {
        use Outcome::{Crashed, Failed, Hung, Refused, Works};
        let (works, crash) = (Expectation::works(), Expectation { alone: Crashed, ..Expectation::works() });
        let major = Expectation::refused("abi.major");
        let cases = [
            ("works", driven(Works, None), &works, vec![]),
            ("works", driven(Crashed, None), &crash, vec![]),
            ("abi.major", driven(Refused, Some("abi.major")), &major, vec![]),
            (
                "works",
                driven(Failed, None),
                &works,
                vec!["the server: failed at stage request (GET /ip: no answer), expected works"],
            ),
            (
                "works",
                driven(Crashed, None),
                &works,
                vec!["the server: crashed at stage request (GET /ip: no answer), expected works"],
            ),
            (
                "works",
                driven(Hung, None),
                &works,
                vec!["the server: hung at stage request (GET /ip: no answer), expected works"],
            ),
            (
                "works",
                driven(Works, None),
                &crash,
                vec!["the server: works at stage request (GET /ip: no answer), expected crashed"],
            ),
            (
                "abi.major",
                driven(Works, None),
                &works,
                vec!["its plugins: predicted abi.major, expected works"],
            ),
            (
                "abi.major",
                driven(Refused, Some("abi.minor")),
                &major,
                vec!["the server refused a plugin for abi.minor, predicted abi.major"],
            ),
        ];
        for (predicted, driven, expected, found) in cases {
            assert_eq!(disagreements(predicted, &driven, expected), found, "{predicted} {driven:?}");
        }
    }

    #[test]
    fn what_an_older_client_or_an_older_run_wrote_is_not_taken_for_an_answer() {
        let answer =
            r#"{"outcome":"works","stage":"stop","code":null,"message":"","signal":null,"beside":{}}"#;
        assert_eq!(serde_json::from_str::<Driven>(answer).unwrap().outcome, Outcome::Works);
        let older = answer.replace(",\"beside\":{}", "");
        assert!(serde_json::from_str::<Driven>(&older).is_err());
    }

    #[test]
    fn the_first_refused_plugin_is_what_is_predicted() {
        let good = Verdict::of(Vec::new());
        let bad = Verdict::of(vec![Reason::new(Code::AbiMajor, "too new")]);
        let seen = driven(Outcome::Works, None);
        let compare = |plugins: &[&Verdict]| {
            compare("host", "s", plugins, &BTreeMap::new(), Ok(&seen), &Expectation::works())
        };
        assert_eq!((compare(&[]).predicted.as_str(), compare(&[&good]).agree), ("works", true));
        let cell = compare(&[&good, &bad]);
        assert_eq!((cell.predicted.as_str(), cell.agree), ("abi.major", false));
    }

    #[test]
    fn each_file_beside_the_plugins_is_held_to_its_own_fate() {
        let words = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(file, word)| ((*file).to_owned(), (*word).to_owned())).collect()
        };
        let mut seen = driven(Outcome::Works, None);
        seen.message = "{}".to_owned();
        seen.beside = words(&[("a.so", "abi.major"), ("b.so", "loaded"), ("c.so", "create.panicked")]);
        let compare = |fates| compare("host", "s", &[], &words(fates), Ok(&seen), &Expectation::works());

        let cell = compare(&[("a.so", "abi.major"), ("b.so", "loaded"), ("c.so", "create.")]);
        assert!(cell.agree, "{cell:?}");
        assert_eq!(cell.message.as_deref(), Some("{}; 1 loaded, 2 refused, each for its code"));

        let cell = compare(&[("a.so", "abi.minor"), ("b.so", "trial.hung"), ("d.so", "abi.kind")]);
        assert!(!cell.agree);
        assert_eq!(
            cell.disagreements,
            [
                "a.so: abi.major, expected abi.minor",
                "b.so: loaded, expected trial.hung",
                "d.so: nothing, expected abi.kind"
            ]
        );
        assert_eq!(cell.message.as_deref(), Some("{}; 1 loaded, 2 refused"));
    }

    #[test]
    fn a_cell_that_was_not_run_never_agrees_and_says_why() {
        let beside = BTreeMap::new();
        let cell = compare("host", "s", &[], &beside, Err("there is no binfmt_misc"), &Expectation::works());
        assert_eq!((cell.observed.as_str(), cell.agree), (NOT_RUN, false));
        assert_eq!(cell.disagreements, ["not run, because there is no binfmt_misc"]);
    }
}
