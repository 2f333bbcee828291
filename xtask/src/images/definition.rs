//! What an image is made of: `containers/*/image.toml`, one file for an image or for a family of images.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::digest;
use super::family;
use crate::lab::{Arch, Host, Libc};

/// One image, as its definition says. Paths inside the image have no leading slash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Definition {
    /// The name that commands, locks and tags use.
    pub(crate) name: String,
    /// The Debian suite, by codename.
    pub(crate) suite: String,
    /// Archive components that packages may come from.
    #[serde(default = "main_component")]
    pub(crate) components: Vec<String>,
    /// The architecture of the image and of every package that names no other.
    pub(crate) arch: Arch,
    /// The C library, where the image is a host.
    #[serde(default)]
    pub(crate) libc: Option<Libc>,
    /// Packages, as `NAME` or `NAME:ARCH`; what they depend on comes along, what they recommend does not.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// Packages that are there while the steps run and are not in the image.
    #[serde(default)]
    pub(crate) build_only: Vec<String>,
    /// Packages, as `NAME` or `NAME:ARCH`, that are left out though something depends on them, mostly because only
    /// maintainer scripts need them.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Python wheels, unpacked into folders.
    #[serde(default)]
    pub(crate) wheels: Vec<Wheel>,
    /// When not empty, patterns of the only packaged paths that are unpacked.
    #[serde(default)]
    pub(crate) only: Vec<String>,
    /// Patterns of paths, of packages or wheels, that are not unpacked.
    #[serde(default)]
    pub(crate) drop: Vec<String>,
    /// Patterns of such paths that are unpacked although `drop` matches them.
    #[serde(default)]
    pub(crate) keep: Vec<String>,
    /// Empty folders, such as mount points.
    #[serde(default)]
    pub(crate) folders: Vec<String>,
    /// Symbolic links by path, made before any package is unpacked, so that packages follow them.
    #[serde(default)]
    pub(crate) links: BTreeMap<String, String>,
    /// Files by path that come from this repository.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, OwnFile>,
    /// Environment of programs started in the image.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// Scripts that run inside the image made so far; what they write becomes another layer.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    /// The folder of the definition; its scripts, files and lock lie there.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// A Python wheel, pinned by its definition since an index may serve another build under the same version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Wheel {
    /// The project's name on the index.
    pub(crate) name: String,
    /// Its exact version.
    pub(crate) version: String,
    /// SHA-256 of the wheel file, in hex.
    pub(crate) sha256: String,
    /// The platform tag, such as `manylinux_2_12_x86_64`.
    pub(crate) platform: String,
    /// The folder inside the wheel whose content is taken.
    pub(crate) from: String,
    /// The folder in the image that receives it.
    pub(crate) to: String,
}

/// A file of the repository that goes into the image; exactly one of `text` and `from` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OwnFile {
    /// The content itself.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// The name of a file beside the definition.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// Whether it is a program.
    #[serde(default)]
    pub(crate) executable: bool,
}

/// A script that runs inside the image: no network, read-only root, `/steps` with the script and its inputs,
/// `/scratch` to work in and `/out`, whose content is added to the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Step {
    /// The name of the script beside the definition, run by `/bin/sh`.
    pub(crate) script: String,
    /// Other files beside the definition that the script reads.
    #[serde(default)]
    pub(crate) inputs: Vec<String>,
    /// Seconds after which the step is given up.
    pub(crate) deadline_seconds: u64,
}

impl Definition {
    /// Reads every definition of the repository, sorted by name.
    pub(crate) fn read_all(repository: &Path, hosts: &[Host]) -> Result<Vec<Definition>> {
        let containers = repository.join("containers");
        let mut definitions = Vec::new();
        for folder in defining_folders(&containers)? {
            let file = folder.join("image.toml");
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let family = family::parse(&text, hosts).with_context(|| format!("{}", file.display()))?;
            for mut definition in family {
                definition.folder.clone_from(&folder);
                definition.check().with_context(|| format!("{}", file.display()))?;
                definitions.push(definition);
            }
        }
        definitions.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = definitions.windows(2).find(|pair| pair[0].name == pair[1].name) {
            bail!("image {:?} is defined twice under {}", pair[0].name, containers.display());
        }
        Ok(definitions)
    }

    /// The lock of this image.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.folder.join(format!("{}.lock", self.name))
    }

    /// Checksum of everything the repository says about this image: the definition without its comments, and the
    /// scripts and files that it names. The lock records it.
    pub(crate) fn checksum(&self) -> Result<String> {
        let mut hash = digest::Hasher::default();
        hash.part(&serde_json::to_vec(self)?);
        for name in self.own_files() {
            let path = self.folder.join(name);
            let content = fs::read(&path).with_context(|| {
                format!("image {} needs {}, which cannot be read", self.name, path.display())
            })?;
            hash.part(name.as_bytes());
            hash.part(&content);
        }
        Ok(hash.finish())
    }

    /// Checksum of what decides which packages are locked. While it stays, a lock can be renewed without changing them.
    pub(crate) fn packages_checksum(&self) -> Result<String> {
        let parts =
            (&self.suite, &self.components, self.arch, &self.packages, &self.build_only, &self.without);
        let mut hash = digest::Hasher::default();
        hash.part(&serde_json::to_vec(&parts)?);
        Ok(hash.finish())
    }

    fn own_files(&self) -> impl Iterator<Item = &str> {
        let files = self.files.values().filter_map(|file| file.from.as_deref());
        let steps = self
            .steps
            .iter()
            .flat_map(|step| std::iter::once(&step.script).chain(&step.inputs))
            .map(String::as_str);
        files.chain(steps)
    }

    fn check(&self) -> Result<()> {
        for name in self.own_files() {
            if name.contains('/') || name.starts_with('.') {
                bail!("image {}: {name:?} must be the name of a file beside the definition", self.name);
            }
        }
        for (path, file) in &self.files {
            if file.text.is_some() == file.from.is_some() {
                bail!("image {}: file {path:?} needs either `text` or `from`", self.name);
            }
        }
        if !self.build_only.is_empty() && self.steps.is_empty() {
            bail!("image {}: build-only packages are of no use without steps", self.name);
        }
        Ok(())
    }
}

/// The folders in `containers`, and in those of its folders that only group others, that have an `image.toml`.
fn defining_folders(containers: &Path) -> Result<Vec<PathBuf>> {
    let subfolders = |folder: &Path| -> Result<Vec<PathBuf>> {
        let list = || -> std::io::Result<Vec<PathBuf>> {
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
        };
        list().with_context(|| format!("cannot list {}", folder.display()))
    };
    let defines = |folder: &PathBuf| folder.join("image.toml").is_file();
    let mut found = Vec::new();
    for folder in subfolders(containers)?.into_iter().filter(|folder| folder.is_dir()) {
        if defines(&folder) {
            found.push(folder);
        } else {
            found.extend(subfolders(&folder)?.into_iter().filter(defines));
        }
    }
    Ok(found)
}

fn main_component() -> Vec<String> {
    vec!["main".to_owned()]
}

/// The name that Debian gives to an architecture.
pub(crate) fn debian_arch(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_define_no_image_group_those_that_do() {
        let containers = tempfile::tempdir().unwrap();
        for folder in ["plain", "group/one", "group/two", "group/deeper/three", "empty"] {
            fs::create_dir_all(containers.path().join(folder)).unwrap();
        }
        for defines in ["plain", "group/one", "group/deeper/three"] {
            fs::write(containers.path().join(defines).join("image.toml"), "").unwrap();
        }
        fs::write(containers.path().join("README.md"), "").unwrap();
        let mut found = defining_folders(containers.path()).unwrap();
        found.sort();
        let expected = ["group/one", "plain"].map(|folder| containers.path().join(folder));
        assert_eq!(found, expected);
    }
}
