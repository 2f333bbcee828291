//! What is published, as registries would have it: packed by cargo, complete, and building from its package alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;

use super::{msrv, published, room};
use crate::atomic;
use crate::build::{self, Room, TOOLCHAIN, Workshop, inside};
use crate::engine::Mount;
use crate::error::Stop;
use crate::ground::Ground;

/// What every package has beside its sources.
const EXPECTED: [&str; 5] = ["Cargo.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT", "src/lib.rs"];

/// Packs every published crate without a network, unpacks it, and builds library, programs, examples and tests of all from their
/// packages; those for plugins also with the cargo that comes with the compiler that they promise, which has to understand what today's
/// has written.
///
/// Cargo's own verification wants a registry that it may ask, and none is asked here.
///
/// # Errors
/// [`Stop::Disagreement`] naming the crate, and what its package lacks.
pub(super) fn check(ground: &Ground) -> Result<()> {
    let metadata = build::members(&ground.repository)?;
    let crates = published::crates(&metadata)?;
    let engine = ground.engine([])?;
    let toolchain = ground.image(TOOLCHAIN)?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let mut argv =
        ["/usr/bin/cargo", "package", "--no-verify", "--exclude-lockfile", "--allow-dirty", "--offline"]
            .to_vec();
    argv.extend(crates.iter().flat_map(|package| ["--package", package.name.as_str()]));
    build::run_cargo(&workshop, &argv, &[])?;

    let sources = ground.repository.join("target").join("lab").join("package");
    if sources.exists() {
        fs::remove_dir_all(&sources).with_context(|| format!("cannot empty {}", sources.display()))?;
    }
    let packed = build::checks_folder(&workshop).join("package");
    for package in &crates {
        let file = packed.join(format!("{}.crate", folder_of(package)));
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let paths = unpack(&content, &sources).with_context(|| format!("{}", file.display()))?;
        let wrong = lacking(package, &paths)?;
        if !wrong.is_empty() {
            bail!(Stop::Disagreement(format!("the package of {}: {}", package.name, wrong.join("; "))));
        }
    }
    let for_plugins: Vec<&Package> =
        crates.iter().copied().filter(|package| is_for_plugins(package)).collect();
    write_workspace(&for_plugins, &sources)?;
    compile_with_the_oldest(&workshop, &sources)?;
    write_workspace(&crates, &sources)?;
    let lock = fs::read(ground.repository.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    atomic::write(&sources.join("Cargo.lock"), &lock)?;
    compile(&workshop, sources)
}

/// Whether it promises a compiler whose cargo cannot read this workspace.
fn is_for_plugins(package: &Package) -> bool {
    package.rust_version.as_ref().is_some_and(|promise| (promise.major, promise.minor) < (1, 85))
}

fn write_workspace(crates: &[&Package], sources: &Path) -> Result<()> {
    atomic::write(&sources.join("Cargo.toml"), toml::to_string(&workspace(crates))?.as_bytes())
}

fn folder_of(package: &Package) -> String {
    format!("{}-{}", package.name, package.version)
}

/// Unpacks a `.crate` into `folder`, and gives the paths of its files, below the folder that they all lie in.
fn unpack(content: &[u8], folder: &Path) -> Result<BTreeSet<String>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content));
    // All packages say the same old time, by which cargo would take what has changed for what it built before.
    archive.set_preserve_mtime(false);
    archive.unpack(folder)?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(content));
    let mut paths = BTreeSet::new();
    for entry in archive.entries()? {
        let path = entry?.path()?.to_string_lossy().into_owned();
        paths.extend(path.split_once('/').map(|(_, path)| path.to_owned()));
    }
    Ok(paths)
}

/// What should be in the package and is not: files that people look for, and all sources of what its manifest lets in.
fn lacking(package: &Package, paths: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut wrong: Vec<String> = EXPECTED
        .iter()
        .filter(|file| !paths.contains(**file))
        .map(|file| format!("it has no {file}; add it to `include`"))
        .collect();
    let folder = package.manifest_path.parent().context("a manifest lies in a folder")?.as_std_path();
    for file in build::sources_of(folder)? {
        let path = file.strip_prefix(folder)?.to_string_lossy().into_owned();
        if !paths.contains(&path) {
            wrong.push(format!("{path} is compiled and not in it; add it to `include`"));
        }
    }
    let tells_of_tests = || -> Result<bool> {
        let readme = package.readme().context("it was checked")?;
        Ok(fs::read_to_string(readme)?.contains("Its tests load plugins that the repository builds"))
    };
    let has_tests = folder.join("tests").is_dir();
    if has_tests && !paths.iter().any(|path| path.starts_with("tests/")) && !tells_of_tests()? {
        wrong.push("its tests are not in it, and its README does not say where they are".to_owned());
    }
    Ok(wrong)
}

/// A workspace of all packages, in which each finds the others where a registry would have them.
fn workspace(crates: &[&Package]) -> toml::Table {
    let folders: Vec<String> = crates.iter().map(|package| folder_of(package)).collect();
    let path = |folder: &String| BTreeMap::from([("path".to_owned(), folder.clone())]);
    let patches: toml::Table = crates
        .iter()
        .zip(&folders)
        .map(|(package, folder)| (package.name.to_string(), toml::Value::from(path(folder))))
        .collect();
    let mut workspace = toml::Table::new();
    workspace.insert("members".to_owned(), folders.into());
    workspace.insert("resolver".to_owned(), "2".into());
    let mut table = toml::Table::new();
    table.insert("workspace".to_owned(), workspace.into());
    table.insert(
        "patch".to_owned(),
        toml::Table::from_iter([("crates-io".to_owned(), patches.into())]).into(),
    );
    table
}

/// The libraries that plugins link, by the compiler and the cargo of the image that has the oldest. No crate of others is there.
fn compile_with_the_oldest(workshop: &Workshop<'_>, sources: &Path) -> Result<()> {
    let image = workshop.ground.image(msrv::IMAGE)?;
    let none = sources.join("none");
    fs::create_dir_all(&none).with_context(|| format!("cannot make {}", none.display()))?;
    let mounts = vec![Mount::writable(sources, inside::SOURCES)];
    let room = Room { engine: workshop.engine, image: &image, mounts, cwd: inside::SOURCES };
    let argv = [
        "/usr/bin/cargo",
        "check",
        "--workspace",
        "--offline",
        "--config",
        "source.crates-io.replace-with=\"none\"",
        "--config",
        "source.none.directory=\"/src/none\"",
        "--target-dir",
        "/tmp/target",
    ];
    let home = ("CARGO_HOME".to_owned(), "/tmp/cargo".to_owned());
    room.run(&argv.map(str::to_owned), vec![home], None).map_err(|error| {
        let image = msrv::IMAGE;
        let sentence = format!(
            "the packages of what plugins link do not build in image {image}, whose compiler they promise"
        );
        error.context(Stop::Disagreement(sentence))
    })?;
    Ok(())
}

/// Everything in the unpacked packages, tests too.
fn compile(workshop: &Workshop<'_>, sources: PathBuf) -> Result<()> {
    let output = build::checks_folder(workshop);
    let room = room::with_crates(workshop.engine, workshop.toolchain, sources, output, workshop.ground)?;
    let argv = room::cargo(&["check", "--workspace", "--all-targets", "--offline"]);
    room.run(&argv, build::cargo_environment("packages"), None).map_err(|error| {
        let sentence = "what is published does not build from its packages; let `include` of its manifest name what is missing";
        error.context(Stop::Disagreement(sentence.to_owned()))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_package_lacks_is_named() {
        let metadata = build::members(&crate::paths::repository().unwrap()).unwrap();
        let package = |name: &str| metadata.packages.iter().find(|one| one.name == name).unwrap();
        let sdk = package("plugin-sdk");
        let folder = sdk.manifest_path.parent().unwrap().as_std_path();
        let mut paths: BTreeSet<String> = EXPECTED.iter().map(|&file| file.to_owned()).collect();
        for file in build::sources_of(folder).unwrap() {
            paths.insert(file.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
        }
        paths.insert("tests/it/main.rs".to_owned());
        assert_eq!(lacking(sdk, &paths).unwrap(), [""; 0]);
        paths.remove("build.rs");
        paths.remove("LICENSE-MIT");
        paths.remove("tests/it/main.rs");
        assert_eq!(
            lacking(sdk, &paths).unwrap(),
            [
                "it has no LICENSE-MIT; add it to `include`",
                "build.rs is compiled and not in it; add it to `include`",
                "its tests are not in it, and its README does not say where they are",
            ]
        );
    }

    #[test]
    fn packages_find_each_other() {
        let metadata = build::members(&crate::paths::repository().unwrap()).unwrap();
        let text = toml::to_string(&workspace(&published::crates(&metadata).unwrap())).unwrap();
        assert!(text.contains("\"plugin-abi-0.1.0\""), "{text}");
        assert!(text.contains("[patch.crates-io.plugin-abi]\npath = \"plugin-abi-0.1.0\""), "{text}");
    }
}
