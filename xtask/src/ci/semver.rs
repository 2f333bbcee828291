//! Whether what is published still has all that its last release had, or says in its version that it has not.
//!
//! Each such crate has a file `api.txt` with its public items, one a line, as they were when it was last released. Compared are names,
//! signatures and what others may not add to: see [`listing`]. What a function does is for tests to tell.

mod baseline;
mod listing;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use self::baseline::Baseline;
use super::{published, room};
use crate::atomic;
use crate::build::{self, TOOLCHAIN, Workshop};
use crate::error::Stop;
use crate::ground::Ground;

/// Beside the manifest.
const FILE: &str = "api.txt";

/// Compares every published crate with its `api.txt`.
///
/// # Errors
/// [`Stop::Disagreement`] naming what is gone from which crate, and the version that would say so.
pub(super) fn check(ground: &Ground) -> Result<()> {
    let mut wrong = Vec::new();
    for (package, current) in list_all(ground)? {
        let file = file_of(&package)?;
        let text = fs::read_to_string(&file).with_context(|| {
            format!("{} is published and has no {FILE}; `cargo xtask api` writes it", package.name)
        })?;
        let last = Baseline::parse(&text).with_context(|| format!("{}", file.display()))?;
        wrong.extend(last.broken_by(&current));
    }
    if !wrong.is_empty() {
        bail!(Stop::Disagreement(wrong.join("; ")));
    }
    Ok(())
}

/// `cargo xtask api`: writes the `api.txt` of every published crate. With `is_released` they say that this is what people have.
///
/// # Errors
/// [`Stop::Disagreement`] if that would take something from those who have the last release, without a version that says so.
pub(crate) fn write(is_released: bool, ground: &Ground) -> Result<()> {
    for (package, current) in list_all(ground)? {
        let file = file_of(&package)?;
        if let Ok(text) = fs::read_to_string(&file) {
            let last = Baseline::parse(&text).with_context(|| format!("{}", file.display()))?;
            last.check_successor(&current)?;
        }
        atomic::write(&file, Baseline { is_released, ..current }.text().as_bytes())?;
    }
    Ok(())
}

fn file_of(package: &Package) -> Result<PathBuf> {
    let folder = package.manifest_path.parent().context("a manifest lies in a folder")?;
    Ok(folder.join(FILE).into_std_path_buf())
}

/// The public items of every published crate as it is now, from the rustdoc of the toolchain image.
fn list_all(ground: &Ground) -> Result<Vec<(Package, Baseline)>> {
    let metadata = build::members(&ground.repository)?;
    let engine = ground.engine([])?;
    let toolchain = ground.image(TOOLCHAIN)?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let output = build::checks_folder(&workshop);
    let room =
        room::with_crates(engine.as_ref(), &toolchain, ground.repository.clone(), output.clone(), ground)?;
    let mut all = Vec::new();
    for package in published::crates(&metadata)? {
        let crate_name = package.name.replace('-', "_");
        let argv = room::cargo(&[
            "rustdoc",
            "--locked",
            "--offline",
            "--lib",
            // Programs have features of their own, libraries have none here.
            "--no-default-features",
            "--package",
            &package.name,
            "--",
            "-Zunstable-options",
            "--output-format=json",
        ]);
        let mut environment = build::cargo_environment("api");
        // rustdoc's JSON is not stable, so that only this crate may ask for it, and nothing that it links becomes another by that.
        environment.push(("RUSTC_BOOTSTRAP".to_owned(), crate_name.clone()));
        room.run(&argv, environment, None)?;
        let file = output.join("api").join("doc").join(format!("{crate_name}.json"));
        let lines = listing::read(&file).with_context(|| format!("the public items of {}", package.name))?;
        let version = package.version.clone();
        let name = package.name.to_string();
        all.push((package.clone(), Baseline { name, version, is_released: false, lines }));
    }
    Ok(all)
}
