//! What only the suite `call` needs, built for a target inside the toolchain image: handlers of other crates for stable ABIs and what calls them,
//! and a handler of ours that does as little as those.
//!
//! The peers are a workspace of its own, since nothing that is shipped should have those crates in its tree.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::sources::{self, Workspace, members};
use super::{Built, Manifest, TOOLCHAIN, Workshop, build_folder, compile_rust, run_inside, sha256, vendor};
use crate::atomic;
use crate::ground::Ground;
use crate::lab::Target;

/// The workspace of the peers, below the repository.
const WORKSPACE: &str = "containers/peers/stable-abi";
/// The folder below `dist/<target>/`, and that of cargo's state.
const FOLDER: &str = "stable-abi";

/// The program that calls the peers' handlers.
pub(crate) const CALLER: &str = "stable-abi-bench";
/// The packages of the peers' handlers, each a library of that name.
const PEERS: [&str; 2] = ["stabby-noop", "abi-stable-noop"];
/// The package of ours. It is no artifact of the lab: it shows nothing there.
pub(crate) const OURS: &str = "noop-handler";
/// What its build folder is called.
const OF_OURS: &str = "noop";

/// Brings `dist/<target>/stable-abi/` up to date and gives its manifest and its path below `dist/`.
///
/// # Errors
/// Sources that do not compile, with the compiler's words.
pub(crate) fn ensure(ground: &Ground, target: &Target) -> Result<(Manifest, PathBuf)> {
    let below = Path::new(&target.triple).join(FOLDER);
    let folder = ground.repository.join("dist").join(&below);
    let toolchain = ground.image(TOOLCHAIN)?;
    let engine = ground.engine([])?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let source_digest = source_digest(&ground.repository)?;
    let inputs = sha256(format!("{} {} {source_digest}", toolchain.digest, target.triple).as_bytes());
    let inputs = format!("sha256:{inputs}");
    let known = Manifest::read_verified(&folder)
        .filter(|known| known.artifacts.iter().all(|built| built.inputs == inputs));
    if let Some(known) = known {
        return Ok((known, below));
    }
    let mut artifacts = Vec::new();
    for (name, product, mode) in build(&workshop, target)? {
        let content =
            std::fs::read(&product).with_context(|| format!("cannot read {}", product.display()))?;
        let file = product.file_name().context("a product has a name")?.to_string_lossy().into_owned();
        atomic::write_with_mode(&folder.join(&file), &content, mode)?;
        artifacts.push(Built {
            name: name.to_owned(),
            kind: if mode == PROGRAM { "program" } else { "handler" }.to_owned(),
            file,
            sha256: sha256(&content),
            size: content.len() as u64,
            glibc_floor: None,
            source_digest: source_digest.clone(),
            inputs: inputs.clone(),
        });
    }
    let manifest =
        Manifest { target: target.triple.clone(), image_digest: toolchain.digest.clone(), artifacts };
    manifest.write(&folder)?;
    Ok((manifest, below))
}

/// Modes of files.
const PROGRAM: u32 = 0o755;
const LIBRARY: u32 = 0o644;

/// Name, product and mode of everything.
fn build(workshop: &Workshop<'_>, target: &Target) -> Result<Vec<(&'static str, PathBuf, u32)>> {
    let options = compile_rust::release_options(&target.triple);
    let mut words = vec!["build", "--workspace"];
    words.extend(options.iter().map(String::as_str));
    cargo(workshop, &words, FOLDER).with_context(|| format!("building {WORKSPACE} for {}", target.triple))?;

    let repository = &workshop.ground.repository;
    let mut environment = compile_rust::cargo_environment(OF_OURS);
    environment.push((format!("DYNLAB_SOURCE_DIGEST_{OURS}"), Workspace::read(repository)?.digest_of(OURS)?));
    let mut argv = ["/usr/bin/cargo", "build", "--package", OURS].map(str::to_owned).to_vec();
    argv.extend(options);
    let crates = vendor::ensure(repository, &workshop.ground.cache)?;
    run_inside(workshop, &argv, environment, Some(&crates), None)
        .with_context(|| format!("building {OURS} for {}", target.triple))?;

    let products = |state: &str| build_folder(workshop).join(state).join(&target.triple).join("release");
    let library = |name: &str| format!("lib{}.so", name.replace('-', "_"));
    let mut built = vec![
        (CALLER, products(FOLDER).join(CALLER), PROGRAM),
        (OURS, products(OF_OURS).join(library(OURS)), LIBRARY),
    ];
    built.extend(PEERS.map(|name| (name, products(FOLDER).join(library(name)), LIBRARY)));
    Ok(built)
}

/// The version of `package` that the workspace has locked.
pub(crate) fn locked_version(repository: &Path, package: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct LockFile {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
    }
    let lock = repository.join(WORKSPACE).join("Cargo.lock");
    let text = std::fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let locked: LockFile =
        toml::from_str(&text).with_context(|| format!("cannot parse {}", lock.display()))?;
    let found = locked.package.into_iter().find(|one| one.name == package);
    Ok(found.with_context(|| format!("{} has no {package}", lock.display()))?.version)
}

/// Checks the workspace with the pinned rustfmt.
pub(crate) fn format(workshop: &Workshop<'_>) -> Result<()> {
    cargo(workshop, &["fmt", "--all", "--check"], "checks")
}

/// Checks the workspace with the pinned clippy.
pub(crate) fn lint(workshop: &Workshop<'_>) -> Result<()> {
    let mut words = vec!["clippy", "--workspace", "--all-targets", "--locked", "--offline"];
    let vendored = compile_rust::vendored_config();
    words.extend(vendored.iter().map(String::as_str));
    words.extend(["--", "-D", "warnings"]);
    cargo(workshop, &words, "stable-abi-checks")
}

/// Runs its tests, with the pinned cargo.
pub(crate) fn test(workshop: &Workshop<'_>) -> Result<()> {
    let mut words = vec!["test", "--workspace", "--locked", "--offline"];
    let vendored = compile_rust::vendored_config();
    words.extend(vendored.iter().map(String::as_str));
    cargo(workshop, &words, "stable-abi-checks")
}

/// Runs a cargo command over the workspace; `state` names what it keeps for the next time.
fn cargo(workshop: &Workshop<'_>, words: &[&str], state: &str) -> Result<()> {
    let crates = vendor::ensure(&workshop.ground.repository.join(WORKSPACE), &workshop.ground.cache)?;
    let (verb, rest) = words.split_first().context("a command of cargo")?;
    let manifest = format!("{WORKSPACE}/Cargo.toml");
    let mut argv = ["/usr/bin/cargo", verb, "--manifest-path", &manifest].map(str::to_owned).to_vec();
    argv.extend(rest.iter().map(|&word| word.to_owned()));
    run_inside(workshop, &argv, compile_rust::cargo_environment(state), Some(&crates), None)?;
    Ok(())
}

/// Over the sources of all packages of the peers and of ours, and the versions of all else.
fn source_digest(repository: &Path) -> Result<String> {
    let folder = repository.join(WORKSPACE);
    let mut files = vec![folder.join("Cargo.toml"), folder.join("Cargo.lock")];
    for package in members(&folder)?.packages {
        let manifest = package.manifest_path.as_std_path();
        files.extend(sources::sources_of(manifest.parent().context("a manifest lies in a folder")?)?);
    }
    let below = |file: &PathBuf| file.strip_prefix(repository).map(Path::to_owned);
    let files: Vec<PathBuf> = files.iter().map(below).collect::<Result<_, _>>()?;
    let mut text = sources::digest_of_files(repository, files.iter().map(PathBuf::as_path))?;
    text.push_str(&Workspace::read(repository)?.digest_of(OURS)?);
    // Profiles of our workspace.
    text.push_str(&sources::digest_of_files(repository, [Path::new("Cargo.toml")])?);
    Ok(format!("sha256:{}", sha256(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_locked_and_built_from_this_repository() {
        let repository = crate::paths::repository().unwrap();
        for package in PEERS.into_iter().chain([CALLER]) {
            assert_eq!(locked_version(&repository, package).unwrap(), "0.1.0");
        }
        assert!(locked_version(&repository, "stabby").unwrap().starts_with("72."));
        let error = locked_version(&repository, "plugin-sdk").unwrap_err().to_string();
        assert!(error.contains("Cargo.lock has no plugin-sdk"), "{error}");
        assert_eq!(source_digest(&repository).unwrap(), source_digest(&repository).unwrap());
    }
}
