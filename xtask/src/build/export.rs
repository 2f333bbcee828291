//! Plugins as authors outside this workspace have them: the crates that they link, what these promise, and their sources in a workspace of their own.
//!
//! Old cargo cannot read this workspace.

mod manifest;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::atomic;
use crate::error::Stop;

/// `name` and the members that it links, dependencies first.
pub(crate) fn closure<'a>(name: &str, metadata: &'a Metadata) -> Result<Vec<&'a Package>> {
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name == name)
        .with_context(|| format!("package {name:?} is not in the workspace"))?;
    let mut found: Vec<&Package> = Vec::new();
    for dependency in &package.dependencies {
        if dependency.kind != DependencyKind::Development && dependency.path.is_some() {
            for one in closure(&dependency.name, metadata)? {
                if !found.iter().any(|known| known.name == one.name) {
                    found.push(one);
                }
            }
        }
    }
    found.push(package);
    Ok(found)
}

/// The one compiler that all of `crates` promise to build with.
pub(crate) fn promise(crates: &[&Package]) -> Result<Version> {
    let mut promised: Option<(&Package, &Version)> = None;
    for package in crates {
        let version = package.rust_version.as_ref().with_context(|| {
            format!("{} promises no compiler; add `rust-version` to its Cargo.toml", package.name)
        })?;
        if let Some((other, other_version)) = promised
            && other_version != version
        {
            bail!(Stop::Disagreement(format!(
                "{} promises rustc {other_version}, {} promises {version}; plugins need both, so give them one `rust-version`",
                other.name, package.name
            )));
        }
        promised = Some((package, version));
    }
    promised.map(|(_, version)| version.clone()).context("there is no crate to check")
}

/// Writes `crates` into `sources`, a workspace of its own that keeps their places.
pub(crate) fn export(crates: &[&Package], repository: &Path, sources: &Path) -> Result<()> {
    let root = read_manifest(&repository.join("Cargo.toml"))?;
    let mut members = Vec::new();
    for package in crates {
        let folder = package.manifest_path.parent().context("a manifest lies in a folder")?.as_std_path();
        let relative = folder
            .strip_prefix(repository)
            .with_context(|| format!("{} is outside the repository", package.name))?;
        for file in super::sources_of(folder)? {
            let copy = sources.join(file.strip_prefix(repository)?);
            let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            atomic::write(&copy, &content)?;
        }
        let manifest = read_manifest(package.manifest_path.as_std_path())?;
        let exported = manifest::crate_manifest(&manifest, &root, relative)
            .with_context(|| format!("{}", package.manifest_path))?;
        write_manifest(&sources.join(relative), &exported)?;
        members.push(relative);
    }
    write_manifest(sources, &manifest::workspace_manifest(&members))
}

/// Their names, for sentences.
pub(crate) fn names(crates: &[&Package]) -> String {
    crates.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn read_manifest(file: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot parse {}", file.display()))
}

fn write_manifest(folder: &Path, manifest: &toml::Table) -> Result<()> {
    atomic::write(&folder.join("Cargo.toml"), toml::to_string(manifest)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_comes_with_the_contract_before_it() {
        let metadata = super::super::members(&crate::paths::repository().unwrap()).unwrap();
        let crates = closure("ip-handler", &metadata).unwrap();
        assert_eq!(names(&crates), "plugin-abi, plugin-sdk, ip-handler");
        promise(&crates).unwrap();
    }
}
