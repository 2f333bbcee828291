//! `api.txt`: the public items of a crate at one version, and what may become of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::semver::Version;

use crate::error::Stop;

/// How many lines are shown of all that are gone.
const SHOWN: usize = 5;

/// The public items of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Baseline {
    /// The crate.
    pub(super) name: String,
    /// Its version.
    pub(super) version: Version,
    /// Whether people have it; what nobody has may change.
    pub(super) is_released: bool,
    /// One for each item, in the order in which they are shown.
    pub(super) lines: Vec<String>,
}

impl Baseline {
    /// Reads what [`Baseline::text`] wrote.
    ///
    /// # Errors
    /// The first line is none of such a file.
    pub(super) fn parse(text: &str) -> Result<Baseline> {
        let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
        let words: Vec<&str> = head.split(' ').collect();
        let ["#", name, version, standing, ..] = words[..] else {
            bail!("{head:?} does not say of what it is")
        };
        let version = version.strip_suffix(',').and_then(|version| version.parse().ok());
        let version = version.with_context(|| format!("{head:?} has no version"))?;
        ensure!(
            matches!(standing, "released:" | "unreleased:"),
            "{head:?} does not say whether it is released"
        );
        let lines = rest.lines().map(str::to_owned).collect();
        Ok(Baseline { name: name.to_owned(), version, is_released: standing == "released:", lines })
    }

    /// As it stands in its file.
    pub(super) fn text(&self) -> String {
        let standing = if self.is_released { "released" } else { "unreleased" };
        let mut text =
            format!("# {} {}, {standing}: its public items, by `cargo xtask api`\n", self.name, self.version);
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// What somebody who has this misses in `current`, where its version does not say so: one sentence, or none.
    pub(super) fn broken_by(&self, current: &Baseline) -> Option<String> {
        if current.version < self.version {
            return Some(format!("{} is {}, and was {} before", self.name, current.version, self.version));
        }
        let gone = self.gone_in(current);
        if gone.is_empty() || says_that_it_breaks(&self.version, &current.version) {
            return None;
        }
        let shown: Vec<String> = gone.iter().take(SHOWN).map(|line| format!("`{line}`")).collect();
        let more = gone.len().saturating_sub(SHOWN);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let cure = if self.is_released {
            String::new()
        } else {
            ", or, as nobody has that version yet, write it down with `cargo xtask api`".to_owned()
        };
        Some(format!(
            "{} {} has no longer {}{more}, which {} had; bring it back, raise the version to {}{cure}",
            self.name,
            current.version,
            shown.join(", "),
            self.version,
            next_breaking(&self.version)
        ))
    }

    /// Whether `next` may be written in the place of this.
    ///
    /// # Errors
    /// [`Stop::Disagreement`] if this is what people have, and `next` is something else under the same version or breaks it unsaid.
    pub(super) fn check_successor(&self, next: &Baseline) -> Result<()> {
        if !self.is_released {
            return Ok(());
        }
        if let Some(broken) = self.broken_by(next) {
            bail!(Stop::Disagreement(broken));
        }
        if self.version == next.version && self.lines != next.lines {
            bail!(Stop::Disagreement(format!(
                "{} {} is released and has other public items; raise the version before writing down what is new",
                self.name, self.version
            )));
        }
        Ok(())
    }

    /// Lines of this that `current` has no longer, or less often.
    fn gone_in<'a>(&'a self, current: &Baseline) -> Vec<&'a str> {
        let mut there: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &current.lines {
            *there.entry(line).or_default() += 1;
        }
        let mut is_there = |line: &str| match there.get_mut(line) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        };
        self.lines.iter().map(String::as_str).filter(|line| !is_there(line)).collect()
    }
}

/// Whether cargo would not take `new` where `old` was asked for.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/resolver.html#semver-compatibility>
fn says_that_it_breaks(old: &Version, new: &Version) -> bool {
    if old.major != new.major {
        return new.major > old.major;
    }
    old.major == 0 && (new.minor > old.minor || (old.minor == 0 && new.minor == 0 && new.patch > old.patch))
}

fn next_breaking(old: &Version) -> Version {
    match (old.major, old.minor) {
        (0, 0) => Version::new(0, 0, old.patch + 1),
        (0, minor) => Version::new(0, minor + 1, 0),
        (major, _) => Version::new(major + 1, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(version: &str, is_released: bool, lines: &[&str]) -> Baseline {
        Baseline {
            name: "plugin-abi".to_owned(),
            version: version.parse().unwrap(),
            is_released,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        for is_released in [false, true] {
            let written = baseline("0.1.0", is_released, &["pub fn a::b()", "pub mod a"]);
            assert_eq!(Baseline::parse(&written.text()).unwrap(), written);
        }
        for head in
            ["", "pub mod a", "# a", "# a 0.1.0 released:", "# a 0.1.0, sold: items", "# a 1, released:"]
        {
            assert!(Baseline::parse(head).is_err(), "{head}");
        }
    }

    #[test]
    fn what_is_gone_needs_a_version_that_says_so() {
        let last =
            |version: &str| baseline(version, true, &["pub fn a::b()", "pub fn a::c()", "pub fn a::c()"]);
        let gone: &[&str] = &["pub fn a::c()", "pub fn a::c()", "pub fn a::d()"];
        let fewer: &[&str] = &["pub fn a::b()", "pub fn a::c()"];
        let more: &[&str] = &["pub fn a::b()", "pub fn a::c()", "pub fn a::c()", "pub fn a::d()"];
        let cases = [
            ("0.1.0", "0.1.0", more, false),
            ("0.1.0", "0.1.0", gone, true),
            ("0.1.0", "0.1.1", gone, true),
            ("0.1.0", "0.2.0", gone, false),
            ("0.1.0", "1.0.0", gone, false),
            ("0.1.0", "0.1.1", fewer, true),
            ("0.0.1", "0.0.2", gone, false),
            ("1.2.0", "1.3.0", gone, true),
            ("1.2.0", "2.0.0", gone, false),
            ("1.2.0", "1.1.0", more, true),
        ];
        for (old, new, lines, is_broken) in cases {
            let broken = last(old).broken_by(&baseline(new, false, lines));
            assert_eq!(broken.is_some(), is_broken, "{old} -> {new}: {broken:?}");
        }
        let sentence = last("0.1.0").broken_by(&baseline("0.1.1", false, gone)).unwrap();
        assert_eq!(
            sentence,
            "plugin-abi 0.1.1 has no longer `pub fn a::b()`, which 0.1.0 had; bring it back, raise the version to 0.2.0"
        );
        let unreleased = baseline("0.1.0", false, &["1", "2", "3", "4", "5", "6", "7"]);
        let sentence = unreleased.broken_by(&baseline("0.1.0", false, &[])).unwrap();
        assert!(
            sentence.contains("`5` and 2 more, which 0.1.0 had") && sentence.ends_with("`cargo xtask api`")
        );
    }

    #[test]
    fn what_people_have_is_not_written_over() {
        let (old, new): (&[&str], &[&str]) = (&["pub mod a"], &["pub mod a", "pub mod b"]);
        let check = |last: Baseline, next: &str, lines| last.check_successor(&baseline(next, true, lines));
        check(baseline("0.1.0", false, old), "0.1.0", &[]).unwrap();
        check(baseline("0.1.0", true, old), "0.1.0", old).unwrap();
        check(baseline("0.1.0", true, old), "0.1.1", new).unwrap();
        let error = check(baseline("0.1.0", true, old), "0.1.0", new).unwrap_err();
        assert_eq!(Stop::exit_code_of(&error), 1);
        assert!(error.to_string().contains("raise the version before"), "{error}");
        assert!(check(baseline("0.1.0", true, old), "0.1.1", &[]).is_err());
        check(baseline("0.1.0", true, old), "0.2.0", &[]).unwrap();
    }
}
