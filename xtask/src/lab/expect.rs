//! What `lab.toml` expects of an artifact in a host.

use std::fmt;

use anyhow::{Result, bail};
use serde::Deserialize;

/// What should be predicted, and what the loader should do.
///
/// Written as `"works"` or `{ refused = "CODE" }`. `alone = "crashed"` beside a refusal says what the loader does with the bytes when no
/// verdict stands before it, where that is no plain refusal. `{ alone = "hung" }` without one marks what no reader of bytes can foresee.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Entry")]
pub(crate) struct Expectation {
    /// What the bytes should tell.
    pub(crate) predicted: Prediction,
    /// What the loader alone should do.
    pub(crate) alone: Outcome,
}

/// What the bytes tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prediction {
    /// The host loads the plugin.
    Works,
    /// The host refuses it, first of all for this code.
    Refused(String),
}

/// What happens when the bytes are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Loaded, created, called, answered.
    Works,
    /// The verdict, the loader or the contract's own checks say no.
    Refused,
    /// It loads, and does not want to run on this host.
    Declined,
    /// It loads and then returns an error.
    Failed,
    /// The process that loads it dies of a signal.
    Crashed,
    /// The process that loads it does not come back within its limits.
    Hung,
}

/// How a host's platform relates to that of an artifact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Meeting {
    /// The same architecture and C library.
    #[default]
    Home,
    /// The same architecture, another C library.
    Libc,
    /// Another architecture.
    Arch,
}

/// An expectation for some hosts only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Special<M: Default = Meeting> {
    /// How the host relates to the artifact.
    #[serde(default)]
    pub(crate) meets: M,
    /// A host name in which `*` stands for any characters; default: any.
    #[serde(default = "any")]
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
    alone: Option<Outcome>,
}

impl Expectation {
    /// Loads and works.
    pub(crate) fn works() -> Expectation {
        Expectation { predicted: Prediction::Works, alone: Outcome::Works }
    }

    /// Is refused with `code`, by the verdict and by the loader.
    pub(crate) fn refused(code: &str) -> Expectation {
        Expectation { predicted: Prediction::Refused(code.to_owned()), alone: Outcome::Refused }
    }

    /// What a host does, which loads nothing that it judges to be wrong.
    pub(crate) fn by_the_host(&self) -> Outcome {
        match self.predicted {
            Prediction::Works => self.alone,
            Prediction::Refused(_) => Outcome::Refused,
        }
    }

    /// How the server words it, of a plugin that lies in its plugin root: `loaded`, or the beginning of its code. It has another process
    /// load a plugin before itself.
    pub(crate) fn by_a_server(&self) -> &str {
        match (&self.predicted, self.alone) {
            (Prediction::Refused(code), _) => code,
            (_, Outcome::Works) => "loaded",
            (_, Outcome::Refused) => "entry.",
            (_, Outcome::Declined) => "accept.declined",
            (_, Outcome::Failed) => "create.",
            (_, Outcome::Crashed) => "trial.crashed",
            (_, Outcome::Hung) => "trial.hung",
        }
    }

    /// Whether the bytes say one thing and the loader, rightly, another: a panic, a crash, a hang or a plain no in the plugin's own code.
    pub(crate) fn is_unforeseeable(&self) -> bool {
        self.predicted == Prediction::Works && self.alone != Outcome::Works
    }
}

impl Prediction {
    /// `works`, or the code.
    pub(crate) fn in_a_word(&self) -> &str {
        match self {
            Prediction::Works => "works",
            Prediction::Refused(code) => code,
        }
    }
}

impl<M: Default + PartialEq> Special<M> {
    /// Whether this is about the host called `name`, which relates to the artifact as `meeting` says.
    pub(crate) fn covers(&self, meeting: M, name: &str) -> bool {
        self.meets == meeting && matches(&self.hosts, name)
    }
}

fn any() -> String {
    "*".to_owned()
}

impl TryFrom<Entry> for Expectation {
    type Error = anyhow::Error;

    fn try_from(entry: Entry) -> Result<Expectation> {
        match entry {
            Entry::Word(word) if word == "works" => Ok(Expectation::works()),
            Entry::Word(word) => {
                bail!("expect = {word:?} is not \"works\" and not a table with `refused` or `alone`")
            }
            Entry::Table(Table { refused: Some(code), alone }) => Ok(Expectation {
                predicted: Prediction::Refused(code),
                alone: alone.unwrap_or(Outcome::Refused),
            }),
            Entry::Table(Table { refused: None, alone: Some(alone) }) => {
                Ok(Expectation { predicted: Prediction::Works, alone })
            }
            Entry::Table(Table { refused: None, alone: None }) => {
                bail!("an expectation needs `refused` or `alone`")
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Works => "works",
            Outcome::Refused => "refused",
            Outcome::Declined => "declined",
            Outcome::Failed => "failed",
            Outcome::Crashed => "crashed",
            Outcome::Hung => "hung",
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
        let declined = parse("expect = { alone = \"declined\" }").unwrap();
        assert_eq!((declined.predicted, declined.alone), (Prediction::Works, Outcome::Declined));
        let crash = parse("expect = { alone = \"crashed\" }").unwrap();
        assert!(crash.is_unforeseeable());
        let truncated = parse("expect = { refused = \"elf.truncated\", alone = \"crashed\" }").unwrap();
        assert!(!truncated.is_unforeseeable());
        for bad in ["expect = \"loads\"", "expect = {}", "expect = { refuse = \"x\" }"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
