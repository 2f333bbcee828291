//! What the release image ships of this workspace, built alone: nobody has to build the whole lab for it, and what its programs
//! link is theirs only.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plugin_compat::ElfFacts;

use super::compile_rust::{self, cargo_environment};
use super::notices;
use super::sources::{self, Workspace};
use super::{Built, Manifest, TOOLCHAIN, Workshop, build_folder, sha256, vendor};
use crate::atomic;
use crate::ground::Ground;
use crate::lab::Arch;

/// Packages, and the file that each makes.
const PACKAGES: [(&str, &str, Kind); 4] = [
    ("backend", "backend", Kind::Program),
    ("backend-entry", "ngx-backend", Kind::Program),
    ("snapshot-resolver", "snapshot.so", Kind::Resolver),
    ("socket-resolver", "socket.so", Kind::Resolver),
];

/// Beside the profile `release`: smaller files, for more time to link. Unwinding stays, which the contract of plugins needs.
const SMALLER: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_LTO", "fat"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")];

/// The licences of all crates that are linked into these and into the module, whose workspace is this.
pub(crate) const NOTICES: &str = "CRATES";
const MODULE: (&str, &str) = ("ngx-backend/module", "ngx-http-set-backend-module");

/// The folder below `dist/<target>/`, and that of cargo's state.
const FOLDER: &str = "ngx-backend";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Resolver,
}

/// Brings `dist/<target>/ngx-backend/` up to date, and gives the folder.
///
/// # Errors
/// Sources that do not compile, with the compiler's words.
pub(crate) fn ensure(ground: &Ground, arch: Arch) -> Result<PathBuf> {
    let target = arch.debian_target();
    let folder = ground.repository.join("dist").join(&target).join(FOLDER);
    let toolchain = ground.image(TOOLCHAIN)?;
    let engine = ground.engine([])?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let workspace = Workspace::read(&ground.repository)?;
    let mut digests = Vec::new();
    for (package, ..) in PACKAGES {
        digests.push(workspace.digest_of(package)?);
    }
    let common = sources::digest_of_files(
        &ground.repository,
        [Path::new("Cargo.toml"), &Path::new(MODULE.0).join("Cargo.lock")],
    )?;
    let all = format!("{} {target} {common} {SMALLER:?} {}", toolchain.digest, digests.join(" "));
    let inputs = format!("sha256:{}", sha256(all.as_bytes()));
    let is_known = Manifest::read_verified(&folder)
        .is_some_and(|known| known.artifacts.iter().all(|built| built.inputs == inputs));
    if is_known {
        return Ok(folder);
    }
    compile(&workshop, &target, &digests)?;
    let products = build_folder(&workshop).join(FOLDER).join(&target).join("release");
    let mut artifacts = Vec::new();
    for ((package, file, kind), source_digest) in PACKAGES.into_iter().zip(digests) {
        let product = match kind {
            Kind::Program => products.join(file),
            Kind::Resolver => products.join(format!("lib{}.so", package.replace('-', "_"))),
        };
        let content =
            std::fs::read(&product).with_context(|| format!("cannot read {}", product.display()))?;
        let facts = ElfFacts::parse(&content).with_context(|| package.to_owned())?;
        let mode = if kind == Kind::Program { 0o755 } else { 0o644 };
        atomic::write_with_mode(&folder.join(file), &content, mode)?;
        artifacts.push(Built {
            name: package.to_owned(),
            kind: if kind == Kind::Program { "program" } else { "resolver" }.to_owned(),
            file: file.to_owned(),
            sha256: sha256(&content),
            size: content.len() as u64,
            glibc_floor: facts.glibc_floor.map(|floor| floor.to_string()),
            source_digest,
            inputs: inputs.clone(),
        });
    }
    let own = PACKAGES.map(|(package, ..)| package);
    let notices = format!(
        "Crates that are part of the programs and plugins, each under the licence that is named behind it.\n\n{}\n\
         Crates that are part of the nginx module.\n\n{}",
        notices::of(&workshop, "", &own, &target)?,
        notices::of(&workshop, MODULE.0, &[MODULE.1], &target)?
    );
    atomic::write(&folder.join(NOTICES), notices.as_bytes())?;
    artifacts.push(Built {
        name: NOTICES.to_owned(),
        kind: "notices".to_owned(),
        file: NOTICES.to_owned(),
        sha256: sha256(notices.as_bytes()),
        size: notices.len() as u64,
        glibc_floor: None,
        source_digest: inputs.clone(),
        inputs: inputs.clone(),
    });
    Manifest { target, image_digest: toolchain.digest.clone(), artifacts }.write(&folder)?;
    Ok(folder)
}

fn compile(workshop: &Workshop<'_>, target: &str, digests: &[String]) -> Result<()> {
    let what = format!("compile the release for {target}");
    let crates = vendor::ensure(&workshop.ground.repository, &workshop.ground.cache)?;
    let mut argv = ["/usr/bin/cargo", "build"].map(str::to_owned).to_vec();
    argv.extend(compile_rust::release_options(target));
    let mut environment = cargo_environment(FOLDER);
    environment.extend(SMALLER.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for ((package, ..), digest) in PACKAGES.iter().zip(digests) {
        argv.extend(["--package", package].map(str::to_owned));
        environment.push((format!("DYNLAB_SOURCE_DIGEST_{package}"), digest.clone()));
    }
    compile_rust::run(workshop, &what, &argv, environment, &crates).with_context(|| what)?;
    Ok(())
}
