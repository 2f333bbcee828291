//! `cargo xtask dist`: for each target an archive with what its users need, its bill of materials, and the sums of all.

mod archive;
mod bill;
mod contents;
mod cyclonedx;
mod named;
mod prove;
mod sums;
mod toolchain;
mod usage;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

pub(crate) use self::prove::prove;
use crate::atomic;
use crate::build::{self, Workshop};
use crate::flags::DistFlags;
use crate::ground::Ground;
use crate::lab::{Lab, Target};

/// Where archives are written, below the repository. Whatever lay there before is gone then, so that sums are of all that is there.
pub(crate) const FOLDER: &str = "target/dist";
/// All that is released has the version of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes the archives of the targets that the flags name, or of all, and prints a line for each file: its length in bytes and its path.
pub(crate) fn run(flags: &DistFlags, ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let files = make(&lab, &lab.select_targets(&flags.targets)?, ground)?;
    let folder = ground.repository.join(FOLDER);
    publish(&files, &folder)?;
    for (name, content) in &files {
        println!("{} {}", content.len(), folder.join(name).display());
    }
    Ok(())
}

/// The name of a target's archive, and of the folder in it.
fn name_of(target: &Target) -> String {
    format!("dynlab-{VERSION}-{}", target.triple)
}

/// Builds what is missing, and gives the files of a release by name. The same sources give the same bytes.
fn make(lab: &Lab, targets: &[&Target], ground: &Ground) -> Result<BTreeMap<String, Vec<u8>>> {
    let engine = ground.engine([])?;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let mut files = BTreeMap::new();
    for target in targets {
        let name = name_of(target);
        let contents = contents::gather(lab, target, VERSION, &workshop)
            .with_context(|| format!("the archive for {}", target.triple))?;
        let bar = ground.progress.spinner(&format!("pack {name}"));
        files.insert(format!("{name}.tar.gz"), archive::pack(&name, &contents.files)?);
        files.insert(format!("{name}.cdx.json"), contents.bill.into_bytes());
        drop(bar);
    }
    let sums = sums::text(&files).into_bytes();
    files.insert(sums::FILE.to_owned(), sums);
    Ok(files)
}

/// Puts `folder` with these files in the place of what lay there, in one step.
fn publish(files: &BTreeMap<String, Vec<u8>>, folder: &Path) -> Result<()> {
    let parent = folder.parent().context("a folder for archives lies in another")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let staged = tempfile::Builder::new().prefix(".dist-").tempdir_in(parent);
    // What is in it when it is dropped goes: that which lay in `folder`, if all goes well.
    let staged = staged.with_context(|| format!("cannot write to {}", parent.display()))?;
    for (name, content) in files {
        atomic::write(&staged.path().join(name), content)?;
    }
    let put = || -> std::io::Result<()> {
        fs::set_permissions(staged.path(), Permissions::from_mode(0o755))?;
        match renameat_with(CWD, staged.path(), CWD, folder, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => fs::rename(staged.path(), folder),
            other => Ok(other?),
        }
    };
    put().with_context(|| format!("cannot write {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_takes_the_place_of_the_one_before() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("target").join("dist");
        let files = |name: &str| BTreeMap::from([(name.to_owned(), b"content".to_vec())]);
        for name in ["one.tar.gz", "two.tar.gz"] {
            publish(&files(name), &folder).unwrap();
            let found = |folder: &Path| -> Vec<String> {
                let entries = fs::read_dir(folder).unwrap();
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
            };
            assert_eq!(found(&folder), [name]);
            assert_eq!(found(folder.parent().unwrap()), ["dist"], "nothing is left beside it");
            assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
        }
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        let error = publish(&files("one"), &file.join("dist")).unwrap_err().to_string();
        assert!(error.starts_with("cannot make "), "{error}");
    }
}
