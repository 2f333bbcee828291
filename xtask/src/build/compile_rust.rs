//! All Rust packages of a target, in one cargo invocation, so that what they share is compiled once and with the same features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Message, TargetKind};

use super::{Item, Workshop, inside, outside, run_inside};
use crate::lab::{Recipe, Target};

/// Builds every item whose recipe is a package; the result is keyed by the item's name.
pub(super) fn build(
    items: &[Item<'_>],
    target: &Target,
    workshop: &Workshop<'_>,
    crates: &Path,
) -> Result<BTreeMap<String, PathBuf>> {
    let what = format!("compile for {}", target.triple);
    let stdout = run(workshop, &what, &command(items, target), environment(items), crates)?;
    products(items, &stdout, |path| outside(workshop, path))
}

/// The file of every item whose recipe is a package, keyed by the item's name, by what cargo says that it has made. `outside` maps a path
/// in the image to one of this machine.
pub(super) fn products(
    items: &[Item<'_>],
    stdout: &[u8],
    outside: impl Fn(&str) -> Result<PathBuf>,
) -> Result<BTreeMap<String, PathBuf>> {
    let products = Products::read(stdout)?;
    let mut files = BTreeMap::new();
    for item in items {
        if let Recipe::Cargo(package) = item.recipe {
            let product = if item.is_program {
                products.programs.get(item.name)
            } else {
                products.libraries.get(package)
            };
            let product = product.with_context(|| {
                let what =
                    if item.is_program { format!("program {}", item.name) } else { "cdylib".to_owned() };
                format!("package {package:?} made no {what}; add it to its Cargo.toml")
            })?;
            files.insert(item.name.to_owned(), outside(product)?);
        }
    }
    Ok(files)
}

fn command(items: &[Item<'_>], target: &Target) -> Vec<String> {
    let mut argv = ["/usr/bin/cargo", "build"].map(str::to_owned).to_vec();
    argv.extend(release_options(&target.triple));
    argv.extend(packages(items));
    argv
}

/// The options that name the packages of `items`, each once.
pub(super) fn packages(items: &[Item<'_>]) -> Vec<String> {
    let packages: BTreeSet<&str> = items
        .iter()
        .filter_map(|item| match item.recipe {
            Recipe::Cargo(package) => Some(package),
            _ => None,
        })
        .collect();
    packages.into_iter().flat_map(|package| ["--package", package].map(str::to_owned)).collect()
}

/// Has cargo tell of each thing that it makes, one line each.
pub(super) const MESSAGES: [&str; 2] = ["--message-format", "json-render-diagnostics"];

/// Runs a cargo build, shows under the name `what` how much is compiled, and gives cargo's messages.
pub(super) fn run(
    workshop: &Workshop<'_>,
    what: &str,
    argv: &[String],
    env: Vec<(String, String)>,
    crates: &Path,
) -> Result<Vec<u8>> {
    let bar = workshop.ground.progress.spinner(what);
    let count_unit = |line: &str| {
        if line.starts_with("{\"reason\":\"compiler-artifact\"") {
            bar.inc(1);
        }
    };
    let argv: Vec<String> = argv.iter().cloned().chain(MESSAGES.map(str::to_owned)).collect();
    run_inside(workshop, &argv, env, Some(crates), Some(&count_unit))
}

/// Options with which everything is compiled that is shipped or loaded.
pub(super) fn release_options(target: &str) -> Vec<String> {
    let mut options = ["--release", "--locked", "--offline", "--target", target].map(str::to_owned).to_vec();
    options.extend(["--config", "/opt/dynlab/cargo-config.toml"].map(str::to_owned));
    options.extend(vendored_config());
    options
}

/// Options that make cargo take every crate from the mounted folder.
pub(crate) fn vendored_config() -> [String; 4] {
    [
        "--config".to_owned(),
        "source.crates-io.replace-with=\"vendored\"".to_owned(),
        "--config".to_owned(),
        format!("source.vendored.directory=\"{}\"", inside::CRATES),
    ]
}

/// What cargo needs in an image whose root is read-only; `state` keeps purposes apart that would otherwise rebuild each other's crates.
pub(crate) fn cargo_environment(state: &str) -> Vec<(String, String)> {
    vec![
        ("CARGO_HOME".to_owned(), "/tmp/cargo".to_owned()),
        ("CARGO_TARGET_DIR".to_owned(), format!("{}/{state}", inside::BUILD)),
        // Incremental state would be written next to what has to be the same everywhere.
        ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
    ]
}

/// Adds the digest of each package's sources, which the export macro puts into the note.
fn environment(items: &[Item<'_>]) -> Vec<(String, String)> {
    let mut env = cargo_environment(ARTIFACTS);
    env.extend(digests(items));
    env
}

/// What cargo's state of all artifacts is called.
pub(super) const ARTIFACTS: &str = "artifacts";

/// The variable of each package that holds the digest of its sources.
pub(super) fn digests(items: &[Item<'_>]) -> BTreeMap<String, String> {
    let digest = |item: &Item<'_>| match item.recipe {
        Recipe::Cargo(package) => {
            Some((format!("DYNLAB_SOURCE_DIGEST_{package}"), item.source_digest.clone()))
        }
        _ => None,
    };
    items.iter().filter_map(digest).collect()
}

/// Files that cargo says it made: programs by name, cdylibs by package.
struct Products {
    programs: BTreeMap<String, String>,
    libraries: BTreeMap<String, String>,
}

impl Products {
    fn read(stdout: &[u8]) -> Result<Products> {
        let mut products = Products { programs: BTreeMap::new(), libraries: BTreeMap::new() };
        for message in Message::parse_stream(stdout) {
            let Message::CompilerArtifact(artifact) = message.context("cannot read cargo's messages")? else {
                continue;
            };
            if artifact.target.is_bin()
                && let Some(program) = artifact.executable
            {
                products.programs.insert(artifact.target.name, program.into_string());
            } else if artifact.target.kind.contains(&TargetKind::CDyLib)
                && let Some(library) =
                    artifact.filenames.into_iter().find(|file| file.extension() == Some("so"))
            {
                products.libraries.insert(package_name(&artifact.package_id.repr), library.into_string());
            }
        }
        Ok(products)
    }
}

/// The package of an id such as `path+file:///src/plugins/abi#plugin-abi@0.1.0` or `path+file:///src/server#0.1.0`.
fn package_name(id: &str) -> String {
    let (path, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_of_both_forms() {
        assert_eq!(package_name("path+file:///src/plugins/handlers/ip#ip-handler@0.1.0"), "ip-handler");
        assert_eq!(package_name("path+file:///src/server#0.1.0"), "server");
    }
}
