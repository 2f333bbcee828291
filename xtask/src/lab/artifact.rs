//! One plugin or fixture of the lab and how it is made.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::expect::{Expectation, Special};
use super::platform::Target;

/// A file that is loaded in every host.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Artifact {
    /// Unique; the file in `dist/` is `NAME.so`.
    pub(crate) name: String,
    /// The kind that the host asks for: handler, middleware, cache, resolver or showcase.
    pub(crate) kind: String,
    /// Triples, `*` stands for any characters. Default: all.
    #[serde(default)]
    pub(crate) targets: Vec<String>,
    /// The package whose cdylib this is.
    cargo: Option<String>,
    /// A C source, built by the target's compiler of the toolchain image.
    c: Option<CSource>,
    /// A file of the repository, taken as it is.
    copy: Option<String>,
    /// An earlier artifact cut short.
    cut: Option<Cut>,
    /// The declared glibc floor, where it is not the target's.
    pub(crate) glibc_floor: Option<String>,
    /// The copy that the probe judged is cut short before it loads it.
    #[serde(default)]
    pub(crate) truncate_after_judging: bool,
    /// With what its instance is made: a text is passed as it is, a table as JSON, as a server does with its configuration.
    #[serde(default)]
    settings: Option<toml::Value>,
    /// The path that a handler is asked for. Default: its route.
    pub(crate) path: Option<String>,
    /// Fields of the request that a handler or a middleware is shown, beside `host`; names in lower case.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// What its answer has to contain wherever it works: that a plugin answers does not say that it does its work.
    pub(crate) answers: Option<String>,
    /// What is expected in hosts of its own platform. Default: works.
    #[serde(default = "Expectation::works")]
    pub(crate) expect: Expectation,
    /// Whether `expect` holds in hosts of another platform too, because the file is refused before anyone asks for its platform.
    #[serde(default)]
    pub(crate) everywhere: bool,
    /// Hosts that expect something else; the first that covers a host wins.
    #[serde(default)]
    pub(crate) on: Vec<Special>,
}

/// How an artifact is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipe<'a> {
    /// The cdylib of a package of the workspace.
    Cargo(&'a str),
    /// Compiled from C.
    C(&'a CSource),
    /// A file of the repository.
    Copy(&'a str),
    /// An earlier artifact cut short.
    Cut(&'a Cut),
}

/// A C source and how it is compiled and linked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CSource {
    /// Relative to the repository.
    pub(crate) source: String,
    /// `zig` (the default, with the target's glibc floor) or `gcc` (the toolchain image's own glibc).
    #[serde(default)]
    pub(crate) compiler: CCompiler,
    /// How it is compiled and linked; default: `-shared -fPIC`.
    pub(crate) flags: Option<Vec<String>>,
    /// Libraries that the result needs at run time and nobody ships: a stub is linked and left behind.
    #[serde(default)]
    pub(crate) absent_libraries: Vec<String>,
}

/// The compiler of a C source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CCompiler {
    /// `zig cc` and the sysroot with the declared floor.
    #[default]
    Zig,
    /// Debian's gcc against the glibc of the toolchain image.
    Gcc,
}

/// A file cut short.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cut {
    /// The name of the artifact that is cut.
    pub(crate) of: String,
    /// Bytes from the start (`64`), a share of the file (`50%`) or all but the last bytes (`-1`).
    pub(crate) keep: String,
}

impl Artifact {
    /// How it is made.
    ///
    /// # Errors
    /// No recipe, or more than one.
    pub(crate) fn recipe(&self) -> Result<Recipe<'_>> {
        match (&self.cargo, &self.c, &self.copy, &self.cut) {
            (Some(package), None, None, None) => Ok(Recipe::Cargo(package)),
            (None, Some(source), None, None) => Ok(Recipe::C(source)),
            (None, None, Some(file), None) => Ok(Recipe::Copy(file)),
            (None, None, None, Some(cut)) => Ok(Recipe::Cut(cut)),
            _ => bail!("artifact {:?} needs exactly one of cargo, c, copy and cut", self.name),
        }
    }

    /// The settings as the plugin gets them; empty if there are none.
    ///
    /// # Errors
    /// They are neither a text nor a table.
    pub(crate) fn settings(&self) -> Result<String> {
        match &self.settings {
            None => Ok(String::new()),
            Some(toml::Value::String(text)) => Ok(text.clone()),
            Some(table @ toml::Value::Table(_)) => Ok(serde_json::to_string(table)?),
            Some(other) => {
                bail!("artifact {:?} has settings = {other}, which is neither a text nor a table", self.name)
            }
        }
    }

    /// Whether it is built for `target`.
    pub(crate) fn is_built_for(&self, target: &Target) -> bool {
        self.targets.is_empty()
            || self.targets.iter().any(|glob| super::expect::matches(glob, &target.triple))
    }
}

impl Cut {
    /// How many of `length` bytes stay.
    ///
    /// # Errors
    /// `keep` is none of the three forms, or keeps nothing, or everything.
    pub(crate) fn kept(&self, length: u64) -> Result<u64> {
        let number = |text: &str| -> Result<u64> {
            text.parse().map_err(|_| anyhow::anyhow!("keep = {:?} is not N, N% or -N", self.keep))
        };
        let kept = if let Some(percent) = self.keep.strip_suffix('%') {
            length * number(percent)?.min(100) / 100
        } else if let Some(lost) = self.keep.strip_prefix('-') {
            length.saturating_sub(number(lost)?)
        } else {
            number(&self.keep)?
        };
        if kept == 0 || kept >= length {
            bail!("keep = {:?} leaves {kept} of {length} bytes; keep some and lose some", self.keep);
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_text_or_a_table_that_becomes_json() {
        let settings = |entry: &str| {
            let artifact = format!("name = \"a\"\nkind = \"handler\"\ncargo = \"a\"\n{entry}");
            toml::from_str::<Artifact>(&artifact).unwrap().settings()
        };
        assert_eq!(settings("").unwrap(), "");
        assert_eq!(settings("settings = \"a = 1\"").unwrap(), "a = 1");
        assert_eq!(settings("settings = { b = [1, true], a = \"x\" }").unwrap(), r#"{"a":"x","b":[1,true]}"#);
        assert!(settings("settings = 3").unwrap_err().to_string().contains("settings = 3"));
    }

    #[test]
    fn cuts_are_bytes_shares_or_tails() {
        let kept = |keep: &str| Cut { of: "ip".into(), keep: keep.into() }.kept(1000);
        assert_eq!(kept("64").unwrap(), 64);
        assert_eq!(kept("50%").unwrap(), 500);
        assert_eq!(kept("-1").unwrap(), 999);
        for bad in ["0", "1000", "100%", "-1000", "half", ""] {
            assert!(kept(bad).is_err(), "{bad}");
        }
    }
}
