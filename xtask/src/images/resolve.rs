//! From the packages a definition names to all that they need. Pure: the same indexes give the same answer.
//!
//! There is nothing installed to respect, so no solver is needed: every dependency takes the first alternative that
//! exists, or what has been chosen already. `Conflicts` are not looked at; packages that really clash are noticed when
//! they are unpacked, by the path that both want.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Result, bail};

use super::packages::{Index, Package, Relation, alternatives_of};
use super::version;

/// The indexes of one suite, by Debian architecture.
pub(super) struct Indexes<'a> {
    /// The image's own architecture.
    pub(super) native: &'a str,
    pub(super) by_arch: BTreeMap<&'a str, Index<'a>>,
}

/// The closure of `roots` without the packages named in `without` (both `NAME` or `NAME:ARCH`), by name and architecture.
/// In `roots`, a name alone means the native architecture; in `without`, every one.
pub(super) fn resolve<'a>(
    indexes: &'a Indexes<'a>,
    roots: &[String],
    without: &[String],
) -> Result<BTreeMap<(&'a str, &'a str), Package<'a>>> {
    let mut search = Search {
        indexes,
        without: without.iter().map(String::as_str).collect(),
        chosen: BTreeMap::new(),
        queue: VecDeque::new(),
    };
    for root in roots {
        let (name, arch) = root.split_once(':').unwrap_or((root, indexes.native));
        let relation = Relation { name, qualifier: None, version: None };
        let Some(package) = search.candidate(&relation, arch) else {
            bail!("no package {name} for {arch} in the archive; correct the definition");
        };
        search.choose(package, arch);
    }
    while let Some((package, arch)) = search.queue.pop_front() {
        for field in [package.pre_depends, package.depends] {
            for group in alternatives_of(field) {
                search.satisfy(&package, arch, &group)?;
            }
        }
    }
    Ok(search.chosen)
}

struct Search<'a, 'q> {
    indexes: &'a Indexes<'a>,
    without: BTreeSet<&'q str>,
    chosen: BTreeMap<(&'a str, &'a str), Package<'a>>,
    /// Packages whose dependencies are still to be looked at, with the architecture these are meant for.
    queue: VecDeque<(Package<'a>, &'q str)>,
}

impl<'a: 'q, 'q> Search<'a, 'q> {
    fn choose(&mut self, package: Package<'a>, arch: &'q str) {
        if self.chosen.insert((package.name, package.arch), package).is_none() {
            // What an `all` package depends on is meant for the native architecture.
            let arch = if package.arch == "all" { self.indexes.native } else { arch };
            let arch = if package.multi_arch == "foreign" { package_arch(&package, arch) } else { arch };
            self.queue.push_back((package, arch));
        }
    }

    fn satisfy(&mut self, dependent: &Package<'a>, arch: &'q str, group: &[Relation<'a>]) -> Result<()> {
        if group.iter().any(|relation| self.left_out(relation.name, arch)) {
            return Ok(());
        }
        if group.iter().any(|relation| self.is_chosen(relation, arch)) {
            return Ok(());
        }
        let found = group.iter().find_map(|relation| self.candidate(relation, arch));
        let Some(package) = found else {
            let names: Vec<_> = group.iter().map(|relation| relation.name).collect();
            bail!(
                "package {} {} for {arch} needs {}, which the archive does not have; name what is missing in `without` if the image can do without it",
                dependent.name,
                dependent.version,
                names.join(" or ")
            );
        };
        self.choose(package, arch);
        Ok(())
    }

    fn left_out(&self, name: &str, arch: &str) -> bool {
        self.without.iter().any(|without| match without.split_once(':') {
            Some((without, without_arch)) => without == name && without_arch == arch,
            None => *without == name,
        })
    }

    fn is_chosen(&self, relation: &Relation<'_>, arch: &str) -> bool {
        self.chosen.values().any(|package| {
            let fits = package.arch == "all"
                || package.arch == arch
                || serves_other_architectures(package, relation);
            let named = package.name == relation.name && version_fits(relation, package.version);
            fits && (named || provides(package, relation))
        })
    }

    /// The package that `relation` of something for `arch` takes when nothing chosen satisfies it.
    fn candidate(&self, relation: &Relation<'_>, arch: &str) -> Option<Package<'a>> {
        let arch = match relation.qualifier {
            Some("native") => self.indexes.native,
            Some("any") | None => arch,
            Some(arch) => arch,
        };
        // A tool that may serve other architectures had better run on this one.
        let native =
            (arch != self.indexes.native).then(|| self.in_arch(relation, self.indexes.native)).flatten();
        native
            .filter(|package| package.arch != "all" && serves_other_architectures(package, relation))
            .or_else(|| self.in_arch(relation, arch))
    }

    fn in_arch(&self, relation: &Relation<'_>, arch: &str) -> Option<Package<'a>> {
        let index = self.indexes.by_arch.get(arch)?;
        let named = index.named(relation.name).filter(|package| version_fits(relation, package.version));
        if let Some(newest) = named.max_by(|a, b| version::compare(a.version, b.version)) {
            return Some(*newest);
        }
        let providers = index.providing(relation.name).map(|(package, _)| package);
        providers
            .filter(|package| provides(package, relation))
            .min_by_key(|package| (priority_rank(package.priority), package.name))
            .copied()
    }
}

fn package_arch<'q, 'a: 'q>(package: &Package<'a>, fallback: &'q str) -> &'q str {
    if package.arch == "all" { fallback } else { package.arch }
}

fn serves_other_architectures(package: &Package<'_>, relation: &Relation<'_>) -> bool {
    package.multi_arch == "foreign" || package.multi_arch == "allowed" && relation.qualifier == Some("any")
}

fn version_fits(relation: &Relation<'_>, has: &str) -> bool {
    relation.version.is_none_or(|(operator, wanted)| version::satisfies(has, operator, wanted))
}

/// A versioned relation is only satisfied by a versioned `Provides` (Debian Policy 7.5).
fn provides(package: &Package<'_>, relation: &Relation<'_>) -> bool {
    alternatives_of(package.provides).into_iter().flatten().any(|provided| {
        provided.name == relation.name
            && match provided.version {
                Some((_, has)) => version_fits(relation, has),
                None => relation.version.is_none(),
            }
    })
}

fn priority_rank(priority: &str) -> usize {
    let order = ["required", "important", "standard", "optional"];
    order.iter().position(|&known| known == priority).unwrap_or(order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines `NAME ARCH FIELD: VALUE; …` as an index.
    fn index_text(lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let mut words = line.splitn(3, ' ');
            let (name, arch) = (words.next().unwrap(), words.next().unwrap());
            text += &format!(
                "Package: {name}\nArchitecture: {arch}\nFilename: pool/{name}\nSHA256: aa\nSize: 1\n"
            );
            let fields = words.next().unwrap_or_default();
            if !fields.contains("Version:") {
                text += "Version: 1\n";
            }
            for field in fields.split("; ").filter(|field| !field.is_empty()) {
                text += &format!("{field}\n");
            }
            text += "\n";
        }
        text
    }

    fn check(amd64: &[&str], arm64: &[&str], roots: &[&str], without: &[&str]) -> Result<String, String> {
        let (amd64, arm64) = (index_text(amd64), index_text(arm64));
        let by_arch = BTreeMap::from([
            ("amd64", Index::parse(&amd64).unwrap()),
            ("arm64", Index::parse(&arm64).unwrap()),
        ]);
        let indexes = Indexes { native: "amd64", by_arch };
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        match resolve(&indexes, &owned(roots), &owned(without)) {
            Ok(chosen) => {
                let names = chosen.keys().map(|(name, arch)| format!("{name}:{arch}")).collect::<Vec<_>>();
                Ok(names.join(" "))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_first_alternative_that_exists_is_taken() {
        let index = ["a amd64 Depends: gone | b | c", "b amd64", "c amd64"];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 b:amd64");
    }

    #[test]
    fn what_is_chosen_already_satisfies_a_later_alternative() {
        let index = ["a amd64 Depends: b | c", "b amd64", "c amd64"];
        assert_eq!(check(&index, &[], &["a", "c"], &[]).unwrap(), "a:amd64 c:amd64");
    }

    #[test]
    fn circles_end() {
        let index = ["a amd64 Depends: b", "b amd64 Pre-Depends: a"];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 b:amd64");
    }

    #[test]
    fn virtual_packages_go_by_priority_then_name() {
        let index = [
            "a amd64 Depends: virtual",
            "z amd64 Provides: virtual; Priority: required",
            "b amd64 Provides: virtual; Priority: optional",
        ];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 z:amd64");
        let index = ["a amd64 Depends: virtual", "z amd64 Provides: virtual", "b amd64 Provides: virtual"];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 b:amd64");
    }

    #[test]
    fn a_versioned_dependency_needs_a_versioned_provider() {
        let index = [
            "a amd64 Depends: virtual (>= 2)",
            "b amd64 Provides: virtual",
            "c amd64 Provides: virtual (= 3)",
        ];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 c:amd64");
    }

    #[test]
    fn versions_decide_between_alternatives() {
        let index = ["a amd64 Depends: b (>= 2) | c", "b amd64 Version: 1", "c amd64"];
        assert_eq!(check(&index, &[], &["a"], &[]).unwrap(), "a:amd64 c:amd64");
    }

    #[test]
    fn what_is_left_out_takes_its_own_dependencies_along() {
        let index = ["a amd64 Depends: scripts", "scripts amd64 Depends: perl", "perl amd64"];
        assert_eq!(check(&index, &[], &["a"], &["scripts"]).unwrap(), "a:amd64");
    }

    #[test]
    fn a_package_can_be_left_out_for_one_architecture() {
        let amd64 = ["dev amd64 Depends: compiler", "compiler amd64"];
        let arm64 = ["dev arm64 Depends: compiler", "compiler arm64"];
        let chosen = check(&amd64, &arm64, &["dev", "dev:arm64"], &["compiler:arm64"]).unwrap();
        assert_eq!(chosen, "compiler:amd64 dev:amd64 dev:arm64");
    }

    #[test]
    fn libraries_stay_in_their_architecture_and_tools_come_home() {
        let amd64 =
            ["lib amd64 Multi-Arch: same", "tool amd64 Multi-Arch: foreign; Depends: lib", "shared all"];
        let arm64 = [
            "dev arm64 Depends: lib, tool, shared",
            "lib arm64 Multi-Arch: same",
            "tool arm64 Multi-Arch: foreign",
            "shared all",
        ];
        assert_eq!(
            check(&amd64, &arm64, &["dev:arm64"], &[]).unwrap(),
            "dev:arm64 lib:amd64 lib:arm64 shared:all tool:amd64"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_who_needs_it() {
        let error = check(&["a amd64 Depends: b | c"], &[], &["a"], &[]).unwrap_err();
        assert!(error.contains("package a 1 for amd64 needs b or c"), "{error}");
        assert!(check(&[], &[], &["nothing"], &[]).unwrap_err().contains("no package nothing for amd64"));
    }
}
