//! `cargo xtask build --via cross`: the Rust packages once more, compiled by `cross` in the same image, and compared byte for byte.
//!
//! cross is a way for people who have it in their hands already. What is shipped and loaded is what xtask builds itself; this shows
//! that the one gives the other.

mod description;
mod surroundings;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

pub(crate) use self::description::describe;
use self::surroundings::{CONFIG, arguments, cargo_config, environment};
use self::tool::Homes;
pub(crate) use self::tool::check;
use super::compile_rust::{self, ARTIFACTS, cargo_environment};
use super::room::BASE;
use super::sources::Workspace;
use super::{
    DEADLINE, Item, Manifest, TOOLCHAIN, Workshop, below, inside, plan, publish, read, remove_strangers,
    state_folder, vendor,
};
use crate::atomic;
use crate::difference;
use crate::engine::{self, Loan, Mount};
use crate::error::Stop;
use crate::flags::BuildFlags;
use crate::ground::Ground;
use crate::lab::{Lab, Recipe, Target};
use crate::process;

/// The newest release.
const VERSION: &str = "0.2.5";

/// The folder below `dist/<target>/`, and that of cargo's state.
const FOLDER: &str = "cross";

/// What builds have in common.
struct Yard<'a> {
    ground: &'a Ground,
    /// The program.
    program: PathBuf,
    docker: Loan,
    homes: Homes,
    /// The sources of all crates.
    crates: PathBuf,
    /// What the container sees as [`inside::BUILD`].
    state: PathBuf,
}

/// Builds what `flags` select for `targets`, and with `--check` compares it with what xtask makes of the same.
///
/// # Errors
/// [`Stop::Disagreement`] naming the files that differ; docker, rustup, cross or the image is missing, with the cure.
pub(super) fn run(lab: &Lab, targets: &[&Target], flags: &BuildFlags, ground: &Ground) -> Result<()> {
    check_names(lab, &flags.only)?;
    tool::check()?;
    let docker = engine::lend()?;
    description::check(&ground.repository)?;
    let toolchain = ground.image(TOOLCHAIN)?;
    ensure!(
        toolchain.pinned,
        "image {TOOLCHAIN} is not the one in its lock, which Cross.toml names; run `cargo xtask images lock {TOOLCHAIN}` and `cargo xtask codegen`"
    );
    docker.load(&toolchain)?;
    let engine = ground.engine([])?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    let workspace = Workspace::read(&ground.repository)?;
    let crates = vendor::ensure(&ground.repository, &ground.cache)?;
    let state = state_folder(ground, FOLDER, &toolchain);
    let yard = Yard {
        ground,
        program: tool::ensure(&ground.repository, &ground.progress)?,
        docker,
        homes: Homes::make(&state, &crates, &ground.repository)?,
        crates,
        state,
    };
    let mut different = Vec::new();
    for target in targets {
        let items = select(plan(lab, target, &workshop, &workspace)?, &flags.only);
        ensure!(!items.is_empty(), "nothing of what --only names is built for {}", target.triple);
        let made = build(&items, target, &yard, &workshop)
            .with_context(|| format!("building for {} via cross", target.triple))?;
        if flags.check {
            different.extend(compare(&items, &made, target, &workshop, &yard.crates)?);
        }
    }
    if !different.is_empty() {
        let sentence = format!("cross and xtask make different files: {}", different.join("; "));
        bail!(Stop::Disagreement(sentence));
    }
    Ok(())
}

/// # Errors
/// One of `only` is no program and no Rust plugin.
fn check_names(lab: &Lab, only: &[String]) -> Result<()> {
    let plugins = lab.artifacts.iter().filter(|artifact| matches!(artifact.recipe(), Ok(Recipe::Cargo(_))));
    let programs = lab.programs.iter().map(|program| program.name.as_str());
    let names: Vec<&str> = programs.chain(plugins.map(|plugin| plugin.name.as_str())).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("no program or Rust plugin is called {unknown:?}; lab.toml has: {}", names.join(", "));
    }
    Ok(())
}

/// Those of `items` that are Rust packages, and of these the ones in `only`, or all if that is empty.
fn select<'a>(mut items: Vec<Item<'a>>, only: &[String]) -> Vec<Item<'a>> {
    let is_wanted = |item: &Item<'a>| only.is_empty() || only.iter().any(|name| name == item.name);
    items.retain(|item| matches!(item.recipe, Recipe::Cargo(_)) && is_wanted(item));
    items
}

/// Writes `dist/<target>/cross/`, and gives the contents by the items' names.
fn build(
    items: &[Item<'_>],
    target: &Target,
    yard: &Yard<'_>,
    workshop: &Workshop<'_>,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let files = compile(items, target, yard)?;
    let folder = yard.ground.repository.join("dist").join(&target.triple).join(FOLDER);
    let mut contents = BTreeMap::new();
    let mut artifacts = Vec::new();
    for item in items {
        let content = read(&files[item.name])?;
        artifacts.push(publish(&folder, target, item, &content)?);
        contents.insert(item.name.to_owned(), content);
    }
    remove_strangers(&folder, &artifacts)?;
    println!("dist/{}/{FOLDER}: {} files", target.triple, artifacts.len());
    let image_digest = workshop.toolchain.digest.clone();
    Manifest { target: target.triple.clone(), image_digest, artifacts }.write(&folder)?;
    Ok(contents)
}

/// Has cross compile `items`, all at once, and gives their files by name.
fn compile(items: &[Item<'_>], target: &Target, yard: &Yard<'_>) -> Result<BTreeMap<String, PathBuf>> {
    fs::create_dir_all(&yard.state).with_context(|| format!("cannot make {}", yard.state.display()))?;
    let config = cargo_config(inside::CRATES, &compile_rust::digests(items))?;
    atomic::write(&yard.state.join(CONFIG), config.as_bytes())?;
    let mounts =
        [Mount::read_only(&yard.crates, inside::CRATES), Mount::writable(&yard.state, inside::BUILD)];
    let base = BASE.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let variables: Vec<_> = base.into_iter().chain(cargo_environment(ARTIFACTS)).collect();
    let options = yard.docker.options(&mounts, &variables)?;
    let environment =
        environment(env::vars_os(), yard.homes.path(), &yard.state, &options, yard.docker.is_rootless());
    let config = format!("{}/{CONFIG}", inside::BUILD);
    let mut command = Command::new(&yard.program);
    command
        .args(arguments(&target.triple, compile_rust::packages(items), &config))
        .current_dir(&yard.ground.repository)
        .env_clear()
        .envs(environment);
    let _spinner = yard.ground.progress.spinner(&format!("compile for {} via cross", target.triple));
    // An interrupt waits until what cross has left in docker is removed.
    let _guard = engine::on_interrupt(|| {});
    let built = process::run_group(&mut command, DEADLINE);
    yard.docker.tidy_up();
    yard.homes.check_untouched()?;
    compile_rust::products(items, &built?, |path| below(&yard.state, path))
}

/// Compiles `items` without cross, and says what is different, one text for each file.
fn compare(
    items: &[Item<'_>],
    made: &BTreeMap<String, Vec<u8>>,
    target: &Target,
    workshop: &Workshop<'_>,
    crates: &Path,
) -> Result<Vec<String>> {
    let files = compile_rust::build(items, target, workshop, crates)?;
    let own = items.iter().map(|item| Ok((item.name.to_owned(), read(&files[item.name])?)));
    let different = differences(made, &own.collect::<Result<_>>()?, &target.triple);
    let same = items.len() - different.len();
    println!("dist/{}/{FOLDER}: {same} of {} files are what xtask makes", target.triple, items.len());
    Ok(different)
}

/// What cross `made` and xtask did not, or otherwise, by name; one text for each.
fn differences(
    made: &BTreeMap<String, Vec<u8>>,
    own: &BTreeMap<String, Vec<u8>>,
    triple: &str,
) -> Vec<String> {
    let names: BTreeSet<&String> = made.keys().chain(own.keys()).collect();
    let compared = names.into_iter().map(|name| {
        let [one, other] = [made, own].map(|contents| contents.get(name).map(Vec::as_slice));
        match (one, other) {
            (Some(one), Some(other)) => difference::first_byte(one, other).map(|at| {
                let sizes = format!("{} bytes and {}", one.len(), other.len());
                format!("{name} for {triple} ({sizes}, different from byte {at} on)")
            }),
            (None, _) => Some(format!("{name} for {triple} (not made by cross)")),
            (_, None) => Some(format!("{name} for {triple} (not made by xtask)")),
        }
    });
    compared.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(name: &'a str, recipe: Recipe<'a>) -> Item<'a> {
        Item {
            name,
            kind: "handler",
            recipe,
            is_program: false,
            declared_floor: None,
            source_digest: "sha256:0".to_owned(),
            inputs: String::new(),
        }
    }

    #[test]
    fn only_packages_are_for_cross_and_of_these_those_that_are_named() {
        let items = || {
            vec![
                item("ip", Recipe::Cargo("ip-handler")),
                item("memory", Recipe::Cargo("memory-cache")),
                item("copied", Recipe::Copy("README.md")),
            ]
        };
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            select(items(), &only).iter().map(|item| item.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["ip", "memory"]);
        assert_eq!(names(&["memory"]), ["memory"]);
        assert_eq!(names(&["copied"]), [""; 0]);
    }

    #[test]
    fn a_byte_a_length_and_a_file_that_differ_are_told() {
        let contents = |files: &[(&str, &[u8])]| -> BTreeMap<String, Vec<u8>> {
            files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect()
        };
        let made = contents(&[("ip", b"abc"), ("memory", b"abc"), ("redis", b"abc"), ("zip", b"abc")]);
        assert_eq!(differences(&made, &made, "t"), [""; 0]);
        let own = contents(&[("ip", b"abc"), ("memory", b"axc"), ("redis", b"abcd"), ("tcp", b"abc")]);
        assert_eq!(
            differences(&made, &own, "t"),
            [
                "memory for t (3 bytes and 3, different from byte 1 on)",
                "redis for t (3 bytes and 4, different from byte 3 on)",
                "tcp for t (not made by cross)",
                "zip for t (not made by xtask)",
            ]
        );
    }
}
