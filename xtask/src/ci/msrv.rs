//! The oldest compilers: what is published builds with the `rust-version` that it promises, and a plugin that the oldest of them makes
//! loads.
//!
//! What plugin authors link is built as an author outside this workspace has it, since its compiler cannot read this workspace. The images
//! `msrv-VERSION` hold the compilers.

mod hosts;
mod load;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use cargo_metadata::semver::Version;
use plugin_compat::{AbiVersion, ContractNote, ElfFacts, Kind};

use self::load::load;
use super::published;
use crate::build::export::{closure, export, names, promise};
use crate::build::{self, Room, inside};
use crate::engine::{Engine, Mount};
use crate::error::Stop;
use crate::ground::Ground;

/// The image that holds the compiler of plugins.
pub(super) const IMAGE: &str = "msrv-1.63";
/// A plugin that uses the SDK as every plugin does.
const PLUGIN: &str = "ip-handler";
const KIND: Kind = Kind::Handler;

/// Builds [`PLUGIN`] and what it links with the compiler that they promise, from nothing, judges it and loads it; then whatever else is
/// published, each with its own.
///
/// # Errors
/// [`Stop::Disagreement`] naming the crate and the compiler, when the promise is not kept.
pub(super) fn check(ground: &Ground) -> Result<()> {
    let metadata = build::members(&ground.repository)?;
    let crates = closure(PLUGIN, &metadata)?;
    let published = published::crates(&metadata)?;
    let others: Vec<&Package> = published
        .into_iter()
        .filter(|package| crates.iter().all(|known| known.name != package.name))
        .collect();
    let promise = promise(&crates)?;
    let folder = ground.repository.join("target").join("lab").join("msrv");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    export(&crates, &ground.repository, &folder.join("src"))?;

    let engine = ground.engine([])?;
    let plugin = compile(&crates, &promise, ground, engine.as_ref(), &folder)?;
    judge(&plugin, &promise)?;
    load(&plugin, ground, engine.as_ref(), &folder.join("load"))?;
    hosts::check(&others, ground, engine.as_ref())
}

/// Builds one crate after another, so that the first one at fault is named, and gives the plugin's file.
fn compile(
    crates: &[&Package],
    promise: &Version,
    ground: &Ground,
    engine: &dyn Engine,
    folder: &Path,
) -> Result<PathBuf> {
    let image = ground.image(IMAGE)?;
    let output = folder.join("build");
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    // The sources are writable because cargo puts its lock file there.
    let sources = Mount::writable(folder.join("src"), inside::SOURCES);
    let mounts = vec![sources, Mount::writable(&output, inside::BUILD)];
    let room = Room { engine, image: &image, mounts, cwd: inside::SOURCES };
    for package in crates {
        let argv = ["/usr/bin/cargo", "build", "--release", "--offline", "--package", &package.name];
        room.run(&argv.map(str::to_owned), build::cargo_environment("artifacts"), None).map_err(|error| {
            let sentence = format!(
                "{} does not build with the compiler of image {IMAGE}, though it promises rustc {promise}; write what that compiler understands, or raise `rust-version` of {} together with the suite in containers/msrv/image.toml",
                package.name,
                names(crates),
            );
            error.context(Stop::Disagreement(sentence))
        })?;
    }
    Ok(output.join("artifacts").join("release").join(format!("lib{}.so", PLUGIN.replace('-', "_"))))
}

/// Whether the file says of itself what was meant to be built.
fn judge(plugin: &Path, promise: &Version) -> Result<()> {
    let content = fs::read(plugin).with_context(|| format!("cannot read {}", plugin.display()))?;
    let facts = ElfFacts::parse(&content).with_context(|| format!("{}", plugin.display()))?;
    let wrong = wrong_in_note(&facts.note, promise);
    if !wrong.is_empty() {
        bail!(Stop::Disagreement(format!("{PLUGIN} built by image {IMAGE}: {}", wrong.join("; "))));
    }
    Ok(())
}

fn wrong_in_note(note: &ContractNote, promise: &Version) -> Vec<String> {
    let Some(identity) = note.identity() else {
        return vec![format!(
            "its note of the contract cannot be read ({note:?}); that compiler drops or alters what the export macro writes"
        )];
    };
    let mut wrong = Vec::new();
    if identity.abi != AbiVersion::CURRENT {
        wrong.push(format!("its note says ABI {}, the contract is {}", identity.abi, AbiVersion::CURRENT));
    }
    if identity.known_kind() != Some(KIND) {
        wrong.push(format!("its note says kind {}, it is kind {} ({KIND:?})", identity.kind, KIND.code()));
    }
    let expected = format!("rustc {}.{}.", promise.major, promise.minor);
    if !identity.compiler.starts_with(&expected) {
        wrong.push(format!(
            "`{}` built it, its `rust-version` promises {}.{}; let containers/msrv/image.toml and `rust-version` name the same compiler",
            identity.compiler, promise.major, promise.minor
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_says_something_else_is_named() {
        let note = |compiler: &str, kind: Kind| -> ContractNote {
            serde_json::from_value(serde_json::json!({
                "state": "present",
                "abi": AbiVersion::CURRENT,
                "kind": kind.code(),
                "name": "ip",
                "version": "0.1.0",
                "entry": "dynlab_plugin",
                "target": "x86_64-unknown-linux-gnu",
                "compiler": compiler,
                "profile": "release",
                "source_digest": "unknown",
            }))
            .unwrap()
        };
        let cases = [
            (note("rustc 1.63.0", KIND), None),
            (note("rustc 1.96.0", KIND), Some("`rustc 1.96.0` built it")),
            (note("rustc 1.6.3", KIND), Some("`rustc 1.6.3` built it")),
            (note("rustc 1.63.0", Kind::Cache), Some("its note says kind 3")),
            (ContractNote::Missing, Some("its note of the contract cannot be read")),
        ];
        for (note, expected) in cases {
            let wrong = wrong_in_note(&note, &Version::new(1, 63, 0));
            match expected {
                None => assert_eq!(wrong, Vec::<String>::new()),
                Some(beginning) => {
                    assert!(wrong.len() == 1 && wrong[0].starts_with(beginning), "{wrong:?}");
                }
            }
        }
    }
}
