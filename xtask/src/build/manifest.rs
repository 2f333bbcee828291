//! `dist/<target>/manifest.json`: what a target's folder holds and what it was built from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic;

/// The content of one `dist/<target>/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The target triple.
    pub(crate) target: String,
    /// The digest of the toolchain image that built it.
    pub(crate) image_digest: String,
    /// Programs and plugins, in the order of `lab.toml`.
    pub(crate) artifacts: Vec<Built>,
}

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// Its name in `lab.toml`.
    pub(crate) name: String,
    /// `program`, or the kind of plugin.
    pub(crate) kind: String,
    /// Relative to the folder.
    pub(crate) file: String,
    /// Of its content, in hexadecimal.
    pub(crate) sha256: String,
    /// In bytes.
    pub(crate) size: u64,
    /// The newest glibc symbol version that it needs, measured; absent where it needs none.
    pub(crate) glibc_floor: Option<String>,
    /// Of what it was built from, `sha256:<hex>`.
    pub(crate) source_digest: String,
    /// Digest of all that decides its content; while it is unchanged it is not built again.
    pub(crate) inputs: String,
}

impl Manifest {
    /// Its name in the folder.
    pub(crate) const FILE: &'static str = "manifest.json";

    /// Reads the manifest of `folder`, provided that every file in it is what the manifest says.
    ///
    /// Anything missing, altered or unreadable is `None`: the folder is then built again.
    pub(crate) fn read_verified(folder: &Path) -> Option<Manifest> {
        let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join(Self::FILE)).ok()?).ok()?;
        let intact = manifest.artifacts.iter().all(|built| {
            fs::read(folder.join(&built.file)).is_ok_and(|content| sha256(&content) == built.sha256)
        });
        intact.then_some(manifest)
    }

    /// Writes the manifest into `folder`, whose files are all in place by then.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        atomic::write(&folder.join(Self::FILE), self.text()?.as_bytes())
    }

    /// As it stands in its file.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).context("cannot encode a manifest")?;
        text.push('\n');
        Ok(text)
    }

    /// The file called `name` in `lab.toml`.
    pub(crate) fn find(&self, name: &str) -> Option<&Built> {
        self.artifacts.iter().find(|built| built.name == name)
    }
}

impl Built {
    /// Where it lies, given its target's folder.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }
}

/// SHA-256 of `content` in hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_file_makes_the_manifest_void() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ip.so"), b"ELF").unwrap();
        let manifest = Manifest {
            target: "x86_64-unknown-linux-gnu".into(),
            image_digest: "sha256:0".into(),
            artifacts: vec![Built {
                name: "ip".into(),
                kind: "handler".into(),
                file: "ip.so".into(),
                sha256: sha256(b"ELF"),
                size: 3,
                glibc_floor: None,
                source_digest: "sha256:2".into(),
                inputs: "sha256:1".into(),
            }],
        };
        assert_eq!(Manifest::read_verified(folder.path()), None);
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read_verified(folder.path()), Some(manifest));
        fs::write(folder.path().join("ip.so"), b"EL").unwrap();
        assert_eq!(Manifest::read_verified(folder.path()), None);
    }
}
