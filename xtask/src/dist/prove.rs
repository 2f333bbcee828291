//! `cargo xtask ci dist`: archives are the same twice, their sums hold, their bills are what the standard asks for, and what is in them
//! runs on the oldest system that it is for.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{FOLDER, make, name_of, publish, sums};
use crate::build::{Manifest, Room};
use crate::difference;
use crate::engine::{self, Mount};
use crate::error::Stop;
use crate::ground::Ground;
use crate::lab::{Host, Lab, Meeting, Target};
use crate::process;

/// The image with the schema of bills, and the program in it.
const LINT: &str = "bill-lint";
const VALIDATE: &str = "/opt/bill-lint/validate";
/// Where images see archives, and what was in them.
const ARCHIVES: &str = "/src";
const UNPACKED: &str = "/mnt";
/// One that needs no settings; what it answers, by `plugin-probe`.
const PLUGIN: (&str, &str) = ("ip", "\"outcome\":\"works\"");

/// Makes the archives of all targets twice, and checks what somebody who downloads them would rely on.
///
/// # Errors
/// [`Stop::Disagreement`] naming the archive and what is wrong with it.
pub(crate) fn prove(ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let targets: Vec<&Target> = lab.targets.iter().collect();
    let files = make(&lab, &targets, ground)?;
    compare(&files, &make(&lab, &targets, ground)?)?;
    let folder = ground.repository.join(FOLDER);
    publish(&files, &folder)?;
    process::run(Command::new("sha256sum").args(["--check", "--strict", sums::FILE]).current_dir(&folder))
        .map_err(|error| error.context(Stop::Disagreement(format!("{} does not hold", sums::FILE))))?;
    validate(&files, &folder, ground)?;
    for target in targets {
        try_out(target, &lab, &folder, ground).with_context(|| name_of(target))?;
    }
    Ok(())
}

/// # Errors
/// A file that is another the second time.
fn compare(first: &BTreeMap<String, Vec<u8>>, second: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    if !first.keys().eq(second.keys()) {
        bail!(Stop::Disagreement("the files of a release are others the second time".to_owned()));
    }
    for (name, content) in first {
        if let Some(at) = difference::first_byte(content, &second[name]) {
            bail!(Stop::Disagreement(format!("{name} is another the second time, from byte {at} on")));
        }
    }
    Ok(())
}

/// The bills against the schema of the standard.
fn validate(files: &BTreeMap<String, Vec<u8>>, folder: &Path, ground: &Ground) -> Result<()> {
    let engine = ground.engine([])?;
    let image = ground.image(LINT)?;
    let mounts = vec![Mount::read_only(folder, ARCHIVES)];
    let room = Room { engine: engine.as_ref(), image: &image, mounts, cwd: ARCHIVES };
    let bills = files.keys().filter(|name| name.ends_with(".cdx.json")).cloned();
    let argv: Vec<String> = [VALIDATE.to_owned()].into_iter().chain(bills).collect();
    room.run(&argv, Vec::new(), None).map_err(|error| {
        error.context(Stop::Disagreement("a bill of materials is not what CycloneDX 1.6 asks for".to_owned()))
    })?;
    Ok(())
}

/// Unpacks an archive with the system's tar, compares it with its manifest, and starts what is in it.
fn try_out(target: &Target, lab: &Lab, folder: &Path, ground: &Ground) -> Result<()> {
    let unpacked = tempfile::tempdir().context("cannot make a folder to unpack into")?;
    let archive = folder.join(format!("{}.tar.gz", name_of(target)));
    process::run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(unpacked.path()))?;
    let unpacked = unpacked.path().join(name_of(target));
    let Some(manifest) = Manifest::read_verified(&unpacked) else {
        bail!(Stop::Disagreement("its files are not those of its manifest".to_owned()));
    };
    if !engine::is_native(target.arch) {
        return Ok(());
    }
    // The first suite is the oldest.
    let host: &Host = lab
        .hosts
        .iter()
        .find(|host| host.meets(target) == Meeting::Home)
        .with_context(|| format!("lab.toml has no host for {}", target.triple))?;
    let engine = ground.engine([])?;
    let image = ground.image(&host.name)?;
    let mounts = vec![Mount::read_only(&unpacked, UNPACKED)];
    let room = Room { engine: engine.as_ref(), image: &image, mounts, cwd: UNPACKED };
    let run = |words: &[&str]| {
        let argv: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        room.run(&argv, Vec::new(), None).map_err(|error| {
            error.context(Stop::Disagreement(format!("{} does not run in {}", words[0], host.name)))
        })
    };
    for program in manifest.artifacts.iter().filter(|one| one.kind == "program") {
        let printed = run(&[&format!("{UNPACKED}/{}", program.file), "--help"])?;
        if printed.is_empty() {
            bail!(Stop::Disagreement(format!("{} --help prints nothing", program.file)));
        }
    }
    let (plugin, answer) = PLUGIN;
    let plugin = manifest.find(plugin).with_context(|| format!("it has no plugin {plugin}"))?;
    let plugin = format!("{UNPACKED}/{}", plugin.file);
    let printed = run(&[&format!("{UNPACKED}/bin/plugin-probe"), "observe", &plugin])?;
    let printed = String::from_utf8_lossy(&printed);
    if !printed.replace(' ', "").contains(answer) {
        bail!(Stop::Disagreement(format!(
            "{plugin} should work in {}, plugin-probe says {printed}",
            host.name
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_differs_is_named() {
        let files = |content: &[u8]| BTreeMap::from([("a.tar.gz".to_owned(), content.to_vec())]);
        compare(&files(b"same"), &files(b"same")).unwrap();
        for (second, at) in [(&b"sane"[..], 2), (b"sam", 3), (b"same!", 4)] {
            let error = compare(&files(b"same"), &files(second)).unwrap_err().to_string();
            assert_eq!(error, format!("a.tar.gz is another the second time, from byte {at} on"));
        }
        assert!(compare(&files(b"same"), &BTreeMap::new()).is_err());
    }
}
