//! Digests of what artifacts are built from.
//!
//! A digest covers the sources of a package, those of the workspace packages it links, and the versions of all others. It does not
//! cover what only its tests need, nor the commit, so that a committed report does not depend on its own commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The workspace as its lock file sees it.
pub(crate) struct Workspace {
    repository: PathBuf,
    /// Every package of `Cargo.lock`; those of the workspace have no `source`.
    locked: Vec<LockedPackage>,
    /// The packages of the workspace.
    members: BTreeMap<String, Member>,
}

/// A package of the workspace.
struct Member {
    folder: PathBuf,
    /// The packages that it is built with, by name. The lock file does not tell these from those of its tests.
    linked: BTreeSet<String>,
}

#[derive(Deserialize)]
struct LockFile {
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Workspace {
    /// Reads `Cargo.lock` and the workspace's members; nothing is downloaded.
    pub(crate) fn read(repository: &Path) -> Result<Workspace> {
        let lock = repository.join("Cargo.lock");
        let text = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
        let locked: LockFile =
            toml::from_str(&text).with_context(|| format!("cannot parse {}", lock.display()))?;
        let members = members(repository)?
            .packages
            .into_iter()
            .filter_map(|package| {
                let folder = package.manifest_path.parent()?.to_owned().into_std_path_buf();
                let built_with =
                    package.dependencies.into_iter().filter(|one| one.kind != DependencyKind::Development);
                let linked = built_with.map(|dependency| dependency.name).collect();
                Some((package.name.to_string(), Member { folder, linked }))
            })
            .collect();
        Ok(Workspace { repository: repository.to_owned(), locked: locked.package, members })
    }

    /// `sha256:<hex>` over everything that `package` is built from.
    ///
    /// # Errors
    /// The package is not in the workspace, or a source cannot be read.
    pub(crate) fn digest_of(&self, package: &str) -> Result<String> {
        self.members.get(package).with_context(|| format!("package {package:?} is not in the workspace"))?;
        let mut digest = Sha256::new();
        for locked in self.closure(package) {
            digest.update(format!("package {} {}\n", locked.name, locked.version));
            if locked.source.is_none()
                && let Some(member) = self.members.get(&locked.name)
            {
                for file in sources_of(&member.folder)? {
                    add_file(&mut digest, &self.repository, &file)?;
                }
            }
        }
        Ok(format!("sha256:{:x}", digest.finalize()))
    }

    /// `package` and all that it is built with, by name and version.
    fn closure(&self, package: &str) -> Vec<&LockedPackage> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![package];
        while let Some(wanted) = waiting.pop() {
            // "name", or "name version" where the lock file holds several versions.
            let (name, version) =
                wanted.split_once(' ').map_or((wanted, None), |(name, version)| (name, Some(version)));
            for (at, locked) in self.locked.iter().enumerate() {
                let same_version =
                    version.is_none_or(|version| version.split(' ').next() == Some(&locked.version));
                if locked.name == name && same_version && seen.insert(at) {
                    let member = locked.source.is_none().then(|| self.members.get(name)).flatten();
                    let is_linked = |dependency: &&str| {
                        let name = dependency.split(' ').next().unwrap_or_default();
                        member.is_none_or(|member| member.linked.contains(name))
                    };
                    waiting.extend(locked.dependencies.iter().map(String::as_str).filter(is_linked));
                }
            }
        }
        seen.into_iter().map(|at| &self.locked[at]).collect()
    }
}

/// The members of the workspace, without their dependencies.
pub(crate) fn members(repository: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .current_dir(repository)
        .no_deps()
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .context("cannot read the workspace")
}

/// `sha256:<hex>` over the contents of `files`, which are relative to `repository`.
pub(crate) fn digest_of_files<'a>(
    repository: &Path,
    files: impl IntoIterator<Item = &'a Path>,
) -> Result<String> {
    let mut digest = Sha256::new();
    for file in files {
        add_file(&mut digest, repository, &repository.join(file))?;
    }
    Ok(format!("sha256:{:x}", digest.finalize()))
}

/// What the compiler reads of a package: its manifest, its build script, `src` and `include`, sorted.
pub(crate) fn sources_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![folder.join("Cargo.toml")];
    let mut waiting = Vec::new();
    for name in ["build.rs", "include", "src"] {
        let path = folder.join(name);
        if path.exists() {
            waiting.push(path);
        }
    }
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path).with_context(|| format!("cannot list {}", path.display()))? {
                waiting.push(entry?.path());
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn add_file(digest: &mut Sha256, repository: &Path, file: &Path) -> Result<()> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // An absolute path would make the digest one of this machine.
    let name = file.strip_prefix(repository).with_context(|| {
        let (file, repository) = (file.display(), repository.display());
        format!("{file} is not below {repository}, which cargo says it belongs to; give the repository by the path that `pwd -P` prints there")
    })?;
    digest.update(format!("file {} {:x}\n", name.display(), Sha256::digest(&content)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_depends_on_the_contract_and_not_on_the_lab() {
        let workspace = Workspace::read(&crate::paths::repository().unwrap()).unwrap();
        let names: Vec<&str> = workspace.closure("ip-handler").iter().map(|one| one.name.as_str()).collect();
        assert!(names.contains(&"plugin-sdk") && names.contains(&"plugin-abi"), "{names:?}");
        assert!(!names.contains(&"xtask") && !names.contains(&"goblin"), "{names:?}");
    }

    #[test]
    fn a_digest_changes_with_a_source_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("one/Cargo.toml", "[package]");
        write("one/src/lib.rs", "");
        let workspace = |dependency: &str| Workspace {
            repository: folder.path().to_owned(),
            locked: vec![
                LockedPackage {
                    name: "one".into(),
                    version: "0.1.0".into(),
                    source: None,
                    dependencies: vec!["two".into(), "three 3.0.0".into()],
                },
                LockedPackage {
                    name: "two".into(),
                    version: dependency.into(),
                    source: Some("registry".into()),
                    dependencies: vec![],
                },
                LockedPackage {
                    name: "three".into(),
                    version: "3.0.0".into(),
                    source: Some("only tests need it".into()),
                    dependencies: vec![],
                },
            ],
            members: BTreeMap::from([(
                "one".to_owned(),
                Member { folder: folder.path().join("one"), linked: BTreeSet::from(["two".to_owned()]) },
            )]),
        };
        let names: Vec<String> =
            workspace("1.0.0").closure("one").iter().map(|one| one.name.clone()).collect();
        assert_eq!(names, ["one", "two"]);
        let first = workspace("1.0.0").digest_of("one").unwrap();
        write("one/README.md", "words");
        assert_eq!(workspace("1.0.0").digest_of("one").unwrap(), first);
        assert_ne!(workspace("1.0.1").digest_of("one").unwrap(), first);
        write("one/src/lib.rs", "pub fn f() {}");
        assert_ne!(workspace("1.0.0").digest_of("one").unwrap(), first);

        // The folder of a clone is in no digest: what lies elsewhere, by whatever path, is refused.
        let led_to_by_a_link = Workspace { repository: "/a/link".into(), ..workspace("1.0.0") };
        let error = led_to_by_a_link.digest_of("one").unwrap_err().to_string();
        assert!(error.contains("is not below /a/link") && error.contains("pwd -P"), "{error}");
    }
}
