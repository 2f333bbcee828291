//! What `lab.toml` expects of an artifact in a host.

use std::fmt;

use anyhow::{Result, bail};
use serde::Deserialize;

/// What should be predicted and observed.
///
/// Written as `"works"`, `{ refused = "CODE" }`, or with `observed = "crashed"` beside it where raw loading, without the
/// verdict before it, ends otherwise than in a plain refusal. `{ observed = "hung" }` alone marks what no reader of bytes can foresee.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Entry")]
pub(crate) struct Expectation {
    /// What the bytes should tell.
    pub(crate) predicted: Prediction,
    /// What the real loader should do.
    pub(crate) observed: Observation,
}

/// What the bytes tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prediction {
    /// The host loads the plugin.
    Works,
    /// The host refuses it, first of all for this code.
    Refused(String),
}

/// What happened when the bytes were loaded, whatever the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Observation {
    /// Loaded, created, called, answered.
    Works,
    /// The loader or the contract's own checks said no.
    Refused,
    /// It loaded and then returned an error.
    Failed,
    /// The process that loaded it died of a signal.
    Crashed,
    /// The process that loaded it did not come back within its limits.
    Hung,
}

/// Codes of hosts of another platform; `"works"` where such a host loads it all the same.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Foreign {
    pub(super) arch: Option<String>,
    pub(super) libc: Option<String>,
}

/// An expectation for some hosts only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Special {
    /// A host name in which `*` stands for any characters.
    pub(crate) hosts: String,
    /// What is expected there.
    pub(crate) expect: Expectation,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Word(String),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    refused: Option<String>,
    observed: Option<Observation>,
}

impl Expectation {
    /// Loads and works.
    pub(crate) fn works() -> Expectation {
        Expectation { predicted: Prediction::Works, observed: Observation::Works }
    }

    /// Is refused with `code`, by the verdict and by the loader.
    pub(crate) fn refused(code: &str) -> Expectation {
        Expectation { predicted: Prediction::Refused(code.to_owned()), observed: Observation::Refused }
    }

    /// Whether the bytes say one thing and the loader, rightly, another: a panic, a crash or a hang in the plugin's own code.
    pub(crate) fn is_unforeseeable(&self) -> bool {
        self.predicted == Prediction::Works && self.observed != Observation::Works
    }
}

impl Special {
    /// Whether this is about the host called `name`.
    pub(crate) fn covers(&self, name: &str) -> bool {
        matches(&self.hosts, name)
    }
}

impl TryFrom<Entry> for Expectation {
    type Error = anyhow::Error;

    fn try_from(entry: Entry) -> Result<Expectation> {
        match entry {
            Entry::Word(word) if word == "works" => Ok(Expectation::works()),
            Entry::Word(word) => {
                bail!("expect = {word:?} is not \"works\" and not a table with `refused` or `observed`")
            }
            Entry::Table(Table { refused: Some(code), observed }) => Ok(Expectation {
                predicted: Prediction::Refused(code),
                observed: observed.unwrap_or(Observation::Refused),
            }),
            Entry::Table(Table { refused: None, observed: Some(observed) }) => {
                Ok(Expectation { predicted: Prediction::Works, observed })
            }
            Entry::Table(Table { refused: None, observed: None }) => {
                bail!("an expectation needs `refused` or `observed`")
            }
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Observation::Works => "works",
            Observation::Refused => "refused",
            Observation::Failed => "failed",
            Observation::Crashed => "crashed",
            Observation::Hung => "hung",
        })
    }
}

/// Whether `name` fits `glob`, in which `*` stands for any characters, none included.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    match glob.split_once('*') {
        None => glob == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let cases = [
            ("*", "", true),
            ("bullseye-*-gnu", "bullseye-x86_64-gnu", true),
            ("bullseye-*-gnu", "bullseye-x86_64-musl", false),
            ("*-linux-gnu", "x86_64-unknown-linux-gnu", true),
            ("trixie", "trixie-x86_64-gnu", false),
        ];
        for (glob, name, expected) in cases {
            assert_eq!(matches(glob, name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn forms_of_an_expectation() {
        #[derive(Deserialize)]
        struct Holder {
            expect: Expectation,
        }
        let parse = |text: &str| toml::from_str::<Holder>(text).map(|holder| holder.expect);
        assert_eq!(parse("expect = \"works\"").unwrap(), Expectation::works());
        assert_eq!(parse("expect = { refused = \"abi.major\" }").unwrap(), Expectation::refused("abi.major"));
        let crash = parse("expect = { observed = \"crashed\" }").unwrap();
        assert!(crash.is_unforeseeable());
        let truncated = parse("expect = { refused = \"elf.truncated\", observed = \"crashed\" }").unwrap();
        assert!(!truncated.is_unforeseeable());
        for bad in ["expect = \"loads\"", "expect = {}", "expect = { refuse = \"x\" }"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
