//! The archive's `Packages` index: which packages there are and what they depend on.
//!
//! Source: deb-control(5), Debian Policy 5.3 and chapter 7.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// The packages of one suite and architecture. Borrows the text of the index, since that is tens of megabytes.
pub(super) struct Index<'a> {
    packages: Vec<Package<'a>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    by_provided: HashMap<&'a str, Vec<(usize, Option<&'a str>)>>,
}

/// One package of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Package<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// `amd64`, `arm64` or `all`.
    pub(super) arch: &'a str,
    /// `foreign`, `same`, `allowed` or empty.
    pub(super) multi_arch: &'a str,
    pub(super) priority: &'a str,
    pub(super) depends: &'a str,
    pub(super) pre_depends: &'a str,
    pub(super) provides: &'a str,
    /// Path below the mirror's address.
    pub(super) path: &'a str,
    /// Length of the `.deb`, in bytes.
    pub(super) size: u64,
    pub(super) sha256: &'a str,
}

/// One alternative of a dependency: `NAME[:QUALIFIER] [(OPERATOR VERSION)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relation<'a> {
    pub(super) name: &'a str,
    /// `any`, `native`, an architecture, or nothing.
    pub(super) qualifier: Option<&'a str>,
    pub(super) version: Option<(&'a str, &'a str)>,
}

impl<'a> Index<'a> {
    /// Parses the text of a `Packages` file.
    pub(super) fn parse(text: &'a str) -> Result<Index<'a>> {
        let mut packages = Vec::new();
        for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
            packages.push(parse_package(stanza)?);
        }
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        let mut by_provided: HashMap<_, Vec<_>> = HashMap::new();
        for (position, package) in packages.iter().enumerate() {
            by_name.entry(package.name).or_default().push(position);
            for relation in alternatives_of(package.provides).into_iter().flatten() {
                let version = relation.version.map(|(_, version)| version);
                by_provided.entry(relation.name).or_default().push((position, version));
            }
        }
        Ok(Index { packages, by_name, by_provided })
    }

    /// Packages of that name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Package<'a>> {
        self.by_name.get(name).into_iter().flatten().map(|&position| &self.packages[position])
    }

    /// Packages that provide the virtual package `name`, and as which version.
    pub(super) fn providing(&self, name: &str) -> impl Iterator<Item = (&Package<'a>, Option<&'a str>)> {
        let found = self.by_provided.get(name).into_iter().flatten();
        found.map(|&(position, version)| (&self.packages[position], version))
    }
}

fn parse_package(stanza: &str) -> Result<Package<'_>> {
    let mut package = Package::default();
    for line in stanza.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key {
            "Package" => package.name = value,
            "Version" => package.version = value,
            "Architecture" => package.arch = value,
            "Multi-Arch" => package.multi_arch = value,
            "Priority" => package.priority = value,
            "Depends" => package.depends = value,
            "Pre-Depends" => package.pre_depends = value,
            "Provides" => package.provides = value,
            "Filename" => package.path = value,
            "Size" => package.size = value.parse().with_context(|| format!("Size {value:?} is no number"))?,
            "SHA256" => package.sha256 = value,
            _ => {}
        }
    }
    let required = [package.name, package.version, package.arch, package.path, package.sha256];
    if required.iter().any(|field| field.is_empty()) {
        anyhow::bail!("a package without name, version, architecture, path or SHA-256: {package:?}");
    }
    Ok(package)
}

/// A dependency field as a list of groups, of each of which one alternative is needed.
pub(super) fn alternatives_of(field: &str) -> Vec<Vec<Relation<'_>>> {
    let groups = field.split(',').map(str::trim).filter(|group| !group.is_empty());
    groups.map(|group| group.split('|').map(parse_relation).collect()).collect()
}

fn parse_relation(text: &str) -> Relation<'_> {
    let (name, version) = match text.split_once('(') {
        Some((name, relation)) => {
            let relation = relation.trim().trim_end_matches(')').trim();
            let end = relation.find(|c: char| !matches!(c, '<' | '>' | '=')).unwrap_or(relation.len());
            let (operator, version) = relation.split_at(end);
            (name.trim(), Some((operator, version.trim())))
        }
        None => (text.trim(), None),
    };
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    Relation { name, qualifier, version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_of_all_shapes() {
        let groups = alternatives_of("libc6 (>= 2.34), gcc | clang:native, python3:any (<< 4)");
        assert_eq!(
            groups,
            [
                vec![Relation { name: "libc6", qualifier: None, version: Some((">=", "2.34")) }],
                vec![
                    Relation { name: "gcc", qualifier: None, version: None },
                    Relation { name: "clang", qualifier: Some("native"), version: None },
                ],
                vec![Relation { name: "python3", qualifier: Some("any"), version: Some(("<<", "4")) }],
            ]
        );
    }

    #[test]
    fn an_index_finds_names_and_provided_names() {
        let text = "Package: libc6-dev\nVersion: 2\nArchitecture: amd64\nProvides: libc-dev (= 3), other\n\
                    Filename: pool/a.deb\nSize: 7\nSHA256: aa\nDescription: a\n b: c\n\n";
        let index = Index::parse(text).unwrap();
        assert_eq!(index.named("libc6-dev").next().unwrap().size, 7);
        let (package, version) = index.providing("libc-dev").next().unwrap();
        assert_eq!((package.name, version), ("libc6-dev", Some("3")));
        assert!(index.named("libc-dev").next().is_none());
    }

    #[test]
    fn a_package_without_a_sum_is_refused() {
        assert!(Index::parse("Package: a\nVersion: 1\nArchitecture: all\nFilename: p\n").is_err());
    }
}
