//! Which crates are part of what is built: as cargo resolves their features for one target, without what only builds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, ensure};

use super::compile_rust::{cargo_environment, vendored_config};
use super::{Workshop, inside, run_inside, vendor};

/// A crate by name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CrateId {
    /// As in its manifest.
    pub(crate) name: String,
    /// As in its manifest.
    pub(crate) version: String,
}

impl fmt::Display for CrateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.version)
    }
}

/// A crate, and what it links itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Linked {
    /// Whether it is a crate of this repository.
    pub(crate) is_ours: bool,
    /// The crates that it names.
    pub(crate) links: BTreeSet<CrateId>,
}

/// Crates and what they link. Build scripts, macros that run in the compiler, and what tests need are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LinkGraph {
    crates: BTreeMap<CrateId, Linked>,
}

impl LinkGraph {
    /// What `packages` of the workspace in `folder` (below the repository; empty for its root) link for `target`.
    ///
    /// All that one cargo invocation builds together has to be named, since features add up over it.
    ///
    /// # Errors
    /// What cargo printed, when it does not know one of them.
    pub(crate) fn read(
        workshop: &Workshop<'_>,
        folder: &str,
        packages: &BTreeSet<&str>,
        target: &str,
    ) -> Result<LinkGraph> {
        let crates = vendor::ensure(&workshop.ground.repository.join(folder), &workshop.ground.cache)?;
        let manifest = format!("{}/{folder}/Cargo.toml", inside::SOURCES).replace("//", "/");
        let mut argv = vec!["/usr/bin/cargo".to_owned()];
        argv.extend(tree_arguments(packages, target));
        argv.extend(["--manifest-path".to_owned(), manifest]);
        argv.extend(vendored_config());
        let printed = run_inside(workshop, &argv, cargo_environment("notices"), Some(&crates), None)?;
        LinkGraph::parse(&String::from_utf8_lossy(&printed))
    }

    /// Reads what `cargo tree` printed with [`tree_arguments`].
    ///
    /// # Errors
    /// A line that is none of such a tree.
    pub(crate) fn parse(tree: &str) -> Result<LinkGraph> {
        let mut graph = LinkGraph::default();
        // The way from a root to the line before.
        let mut way: Vec<CrateId> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, id, is_ours) =
                parse_line(line).with_context(|| format!("`cargo tree` printed {line:?}"))?;
            ensure!(depth <= way.len(), "`cargo tree` printed {line:?} below nothing");
            way.truncate(depth);
            if let Some(above) = way.last().and_then(|above| graph.crates.get_mut(above)) {
                above.links.insert(id.clone());
            }
            graph.crates.entry(id.clone()).or_insert_with(|| Linked { is_ours, links: BTreeSet::new() });
            way.push(id);
        }
        Ok(graph)
    }

    /// The package of this repository that is called `name`.
    ///
    /// # Errors
    /// There is none in the graph.
    pub(crate) fn ours(&self, name: &str) -> Result<&CrateId> {
        let found = self.crates.iter().find(|(id, linked)| linked.is_ours && id.name == name);
        found.map(|(id, _)| id).with_context(|| format!("`cargo tree` did not tell of {name}"))
    }

    /// `roots` and all that they link, directly or not.
    pub(crate) fn closure<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a CrateId>,
    ) -> BTreeMap<&'a CrateId, &'a Linked> {
        let mut found = BTreeMap::new();
        let mut waiting: Vec<&CrateId> = roots.into_iter().collect();
        while let Some((id, linked)) = waiting.pop().and_then(|id| self.crates.get_key_value(id)) {
            if found.insert(id, linked).is_none() {
                waiting.extend(&linked.links);
            }
        }
        found
    }
}

/// The arguments with which cargo prints what [`LinkGraph::parse`] reads.
pub(crate) fn tree_arguments(packages: &BTreeSet<&str>, target: &str) -> Vec<String> {
    let fixed = ["tree", "--locked", "--offline", "--edges", "normal,no-proc-macro", "--prefix", "depth"];
    let mut arguments = fixed.map(str::to_owned).to_vec();
    arguments.extend(["--target", target].map(str::to_owned));
    arguments.extend(packages.iter().flat_map(|package| ["--package".to_owned(), (*package).to_owned()]));
    arguments
}

/// `2anyhow v1.0.1`, `0server v0.1.0 (/src/server)` or `1map v0.1.0 (/src/map) (*)`: how deep, who, and whether it is ours.
fn parse_line(line: &str) -> Option<(usize, CrateId, bool)> {
    let name_at = line.find(|one: char| !one.is_ascii_digit())?;
    let (depth, rest) = line.split_at(name_at);
    let mut words = rest.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    // A crate of this repository has a path behind it.
    let is_ours = words.next().is_some_and(|word| word.starts_with("(/"));
    let id = CrateId { name: name.to_owned(), version: version.to_owned() };
    Some((depth.parse().ok()?, id, is_ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str, version: &str) -> CrateId {
        CrateId { name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn a_tree_becomes_a_graph() {
        let tree = "0backend v0.1.0 (/src/ngx-backend/daemon)\n1anyhow v1.0.1\n1map v0.1.0 (/src/map)\n2serde v1.0.2\n\n0map v0.1.0 (/src/map) (*)\n0snapshot v0.1.0 (/src/snapshot)\n1map v0.1.0 (/src/map) (*)\n1zstd-sys v2.0.0+zstd.1.5\n";
        let graph = LinkGraph::parse(tree).unwrap();
        let of = |name: &str| {
            let closure = graph.closure([graph.ours(name).unwrap()]);
            closure.into_keys().map(CrateId::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("backend"), ["anyhow-1.0.1", "backend-0.1.0", "map-0.1.0", "serde-1.0.2"]);
        assert_eq!(of("snapshot"), ["map-0.1.0", "serde-1.0.2", "snapshot-0.1.0", "zstd-sys-2.0.0+zstd.1.5"]);
        assert!(!graph.crates[&id("serde", "1.0.2")].is_ours && graph.crates[&id("map", "0.1.0")].is_ours);
        assert!(graph.ours("serde").is_err());
    }

    #[test]
    fn what_is_no_tree_is_named() {
        for tree in ["error: no such package", "0a v1.0.0\n2b v1.0.0", "0a"] {
            let error = format!("{:#}", LinkGraph::parse(tree).unwrap_err());
            assert!(error.contains("`cargo tree` printed"), "{error}");
        }
    }
}
