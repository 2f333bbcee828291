//! Python wheels: fetched by pip, which knows the machine's index, checked against the definition, unpacked as zip files.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::blobs::Blobs;
use super::definition::{Definition, Wheel};
use super::tree::packaged_path;
use super::unpack::{Rules, Unpacker};

/// Downloads the wheels of `definition` that are not cached.
pub(super) fn fetch(blobs: &Blobs, definition: &Definition) -> Result<()> {
    for wheel in &definition.wheels {
        if blobs.get(&wheel.sha256).is_none() {
            eprintln!("{}: downloading wheel {} {}", definition.name, wheel.name, wheel.version);
            fetch_one(blobs, wheel)?;
        }
    }
    Ok(())
}

fn fetch_one(blobs: &Blobs, wheel: &Wheel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let requirements = folder.path().join("requirements.txt");
    let requirement = format!("{}=={} --hash=sha256:{}\n", wheel.name, wheel.version, wheel.sha256);
    File::create(&requirements)?.write_all(requirement.as_bytes())?;
    let downloads = folder.path().join("wheels");
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    command.args(["--require-hashes", "--only-binary", ":all:", "--platform", &wheel.platform]);
    command.arg("--requirement").arg(&requirements).arg("--dest").arg(&downloads).current_dir(folder.path());
    let cure = "pip needs python3 (package python3-pip) and an index that it can reach; `cargo xtask doctor` tells more";
    let output = command.output().with_context(|| format!("cannot start {command:?}; {cure}"))?;
    if !output.status.success() {
        bail!(
            "wheel {} {} is not cached and cannot be downloaded: {command:?} in {} ended with {}: {}; {cure}",
            wheel.name,
            wheel.version,
            folder.path().display(),
            output.status,
            last_lines(&output.stderr)
        );
    }
    let file = fs::read_dir(&downloads)?.flatten().next().context("pip downloaded nothing")?;
    blobs.adopt(&file.path(), &wheel.sha256)?;
    Ok(())
}

fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Unpacks the folder `from` of a wheel into the folder `to` of the image.
pub(super) fn unpack(unpacker: &mut Unpacker, file: &Path, wheel: &Wheel, rules: &Rules<'_>) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(file)?).context("it is not a zip file")?;
    let prefix = format!("{}/", wheel.from.trim_end_matches('/'));
    let mut names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    names.sort();
    let mut taken = 0;
    for name in names {
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        let rest = packaged_path(rest.as_bytes())?;
        if rest.is_empty() || name.ends_with('/') {
            continue;
        }
        let path = format!("{}/{rest}", wheel.to);
        if !rules.take(&path) {
            continue;
        }
        let mut entry = archive.by_name(&name)?;
        let executable = entry.unix_mode().unwrap_or_default() & 0o100 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        unpacker.file(&path, mode, false, &mut entry)?;
        taken += 1;
    }
    if taken == 0 {
        bail!("nothing in {prefix} is taken; correct `from`, `only` or `drop` in the definition");
    }
    Ok(())
}
