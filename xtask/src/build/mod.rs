//! `cargo xtask build`: every program, plugin and fixture of `lab.toml`, for every target, inside the pinned toolchain image.

mod compile_c;
mod compile_rust;
pub(crate) mod compilers;
pub(crate) mod cross;
pub(crate) mod export;
pub(crate) mod linked;
mod manifest;
pub(crate) mod nginx;
pub(crate) mod nginx_modules;
pub(crate) mod notices;
pub(crate) mod release;
mod room;
mod sources;
pub(crate) mod stable_abi;
pub(crate) mod vendor;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use plugin_compat::ElfFacts;

pub(crate) use self::compile_rust::{cargo_environment, vendored_config};
pub(crate) use self::manifest::{Built, Manifest, sha256};
pub(crate) use self::room::Room;
use self::sources::Workspace;
pub(crate) use self::sources::{members, sources_of};
pub(crate) use self::vendor::ensure as vendored;
use crate::atomic;
use crate::engine::{Engine, Mount};
use crate::flags::{BuildFlags, Via};
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Artifact, Lab, Recipe, Target};

/// One build may take this long before it is taken for hung.
const DEADLINE: Duration = Duration::from_secs(45 * 60);

/// Where things lie inside an image while it builds.
pub(crate) mod inside {
    pub(crate) const SOURCES: &str = "/src";
    pub(crate) const CRATES: &str = "/vendor";
    pub(crate) const BUILD: &str = "/build";
}

/// The purpose that checks share.
const CHECKS: &str = "checks";

/// The image that builds everything.
pub(crate) const TOOLCHAIN: &str = "toolchain";

/// What a build needs beside the lab itself.
pub(crate) struct Workshop<'a> {
    /// The repository and the cache.
    pub(crate) ground: &'a Ground,
    /// Runs the compiler.
    pub(crate) engine: &'a dyn Engine,
    /// The toolchain image.
    pub(crate) toolchain: &'a Image,
}

/// A target's folder and what is in it.
pub(crate) struct Dist {
    /// `dist/<target>/`.
    pub(crate) folder: PathBuf,
    /// Its manifest, every file of it verified.
    pub(crate) manifest: Manifest,
}

/// `cargo xtask build`: brings `dist/` up to date and says where it is.
pub(crate) fn run(flags: &BuildFlags, ground: &Ground) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let targets = lab.select_targets(&flags.targets)?;
    if flags.via == Some(Via::Cross) {
        return cross::run(&lab, &targets, flags, ground);
    }
    let engine = ground.engine([])?;
    let toolchain = ground.image(TOOLCHAIN)?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    for dist in ensure(&lab, &targets, &workshop)? {
        println!("dist/{}: {} files", dist.manifest.target, dist.manifest.artifacts.len());
    }
    Ok(())
}

/// Brings `dist/<target>/` of every target in `targets` up to date.
///
/// # Errors
/// Sources that do not compile, with the compiler's words; an artifact that needs a newer glibc than it declares.
pub(crate) fn ensure(lab: &Lab, targets: &[&Target], workshop: &Workshop<'_>) -> Result<Vec<Dist>> {
    let workspace = Workspace::read(&workshop.ground.repository)?;
    targets
        .iter()
        .map(|target| {
            ensure_target(lab, target, workshop, &workspace)
                .with_context(|| format!("building for {}", target.triple))
        })
        .collect()
}

fn ensure_target(lab: &Lab, target: &Target, workshop: &Workshop<'_>, workspace: &Workspace) -> Result<Dist> {
    let folder = workshop.ground.repository.join("dist").join(&target.triple);
    let items = plan(lab, target, workshop, workspace)?;
    let known = Manifest::read_verified(&folder);
    let is_fresh = |item: &&Item<'_>| {
        let built = known.as_ref().and_then(|manifest| manifest.find(item.name));
        built.is_some_and(|built| built.inputs == item.inputs)
    };
    if let Some(manifest) = &known
        && items.iter().all(|item| is_fresh(&item))
        && items.len() == manifest.artifacts.len()
    {
        return Ok(Dist { folder, manifest: manifest.clone() });
    }
    let stale: Vec<&Item<'_>> = items.iter().filter(|item| !is_fresh(item)).collect();
    let mut fresh = build(&items, &stale, target, workshop, &folder)?;
    let mut artifacts = Vec::new();
    for item in &items {
        artifacts.push(
            match (fresh.remove(item.name), known.as_ref().and_then(|known| known.find(item.name))) {
                (Some(content), _) => publish(&folder, target, item, &content)?,
                (None, Some(built)) => built.clone(),
                (None, None) => bail!("{:?} was not built", item.name),
            },
        );
    }
    remove_strangers(&folder, &artifacts)?;
    let manifest = Manifest {
        target: target.triple.clone(),
        image_digest: workshop.toolchain.digest.clone(),
        artifacts,
    };
    manifest.write(&folder)?;
    Ok(Dist { folder, manifest })
}

/// One program or artifact that is built for a target.
struct Item<'a> {
    name: &'a str,
    kind: &'a str,
    recipe: Recipe<'a>,
    is_program: bool,
    declared_floor: Option<&'a str>,
    source_digest: String,
    /// Digest of all that decides its content.
    inputs: String,
}

fn plan<'a>(
    lab: &'a Lab,
    target: &'a Target,
    workshop: &Workshop<'_>,
    workspace: &Workspace,
) -> Result<Vec<Item<'a>>> {
    let repository = &workshop.ground.repository;
    let mut items: Vec<Item<'a>> = Vec::new();
    for program in &lab.programs {
        items.push(Item {
            name: &program.name,
            kind: "program",
            recipe: Recipe::Cargo(&program.package),
            is_program: true,
            declared_floor: target.glibc_floor.as_deref(),
            source_digest: workspace.digest_of(&program.package)?,
            inputs: String::new(),
        });
    }
    for artifact in lab.artifacts.iter().filter(|artifact| artifact.is_built_for(target)) {
        let recipe = artifact.recipe()?;
        let source_digest = match recipe {
            Recipe::Cargo(package) => workspace.digest_of(package)?,
            Recipe::C(source) => compile_c::source_digest(source, repository)?,
            Recipe::Copy(file) => sources::digest_of_files(repository, [Path::new(file)])?,
            Recipe::Cut(cut) => original(&items, &cut.of, target)?.source_digest.clone(),
        };
        items.push(Item {
            name: &artifact.name,
            kind: &artifact.kind,
            recipe,
            is_program: false,
            declared_floor: declared_floor(artifact, target),
            source_digest,
            inputs: String::new(),
        });
    }
    // Profiles stand in the workspace's manifest, which no package's digest covers.
    let common = sources::digest_of_files(repository, [Path::new("Cargo.toml")])?;
    for Item { name, kind, recipe, declared_floor, source_digest, inputs, .. } in &mut items {
        let text = format!(
            "{}\n{common}\n{name} {kind} {recipe:?} {declared_floor:?} {source_digest}",
            workshop.toolchain.digest
        );
        *inputs = format!("sha256:{}", sha256(text.as_bytes()));
    }
    Ok(items)
}

/// Builds those of `items` that are `stale`; the contents are keyed by name.
fn build<'a>(
    items: &[Item<'a>],
    stale: &[&Item<'a>],
    target: &Target,
    workshop: &Workshop<'_>,
    folder: &Path,
) -> Result<BTreeMap<&'a str, Vec<u8>>> {
    let rust = if stale.iter().any(|item| matches!(item.recipe, Recipe::Cargo(_))) {
        let crates = vendor::ensure(&workshop.ground.repository, &workshop.ground.cache)?;
        // All of them, so that what they share is built with the same features each time; cargo knows what is fresh.
        compile_rust::build(items, target, workshop, &crates)?
    } else {
        BTreeMap::new()
    };
    let c = compile_c::build(stale, target, workshop)?;
    let mut contents: BTreeMap<&'a str, Vec<u8>> = BTreeMap::new();
    for item in stale {
        let content = match item.recipe {
            Recipe::Cargo(_) => read(&rust[item.name])?,
            Recipe::C(_) => read(&c[item.name])?,
            Recipe::Copy(file) => read(&workshop.ground.repository.join(file))?,
            Recipe::Cut(cut) => {
                // An original that is fresh lies in the folder already.
                let whole = match contents.get(cut.of.as_str()) {
                    Some(whole) => whole.clone(),
                    None => read(&folder.join(original(items, &cut.of, target)?.file()))?,
                };
                let kept = usize::try_from(cut.kept(whole.len() as u64)?)?;
                whole[..kept].to_vec()
            }
        };
        contents.insert(item.name, content);
    }
    Ok(contents)
}

impl Item<'_> {
    /// Where it lies in its target's folder.
    fn file(&self) -> String {
        if self.is_program { format!("bin/{}", self.name) } else { format!("plugins/{}.so", self.name) }
    }
}

fn original<'a, 'b>(items: &'b [Item<'a>], name: &str, target: &Target) -> Result<&'b Item<'a>> {
    items.iter().find(|item| item.name == name).with_context(|| {
        format!("{name:?}, which another artifact is cut from, is not built for {}", target.triple)
    })
}

fn declared_floor<'a>(artifact: &'a Artifact, target: &'a Target) -> Option<&'a str> {
    let floor = artifact.glibc_floor.as_deref().or(target.glibc_floor.as_deref());
    target.glibc_floor.as_ref().and(floor)
}

fn publish(folder: &Path, target: &Target, item: &Item<'_>, content: &[u8]) -> Result<Built> {
    let floor =
        ElfFacts::parse(content).ok().and_then(|facts| facts.glibc_floor).map(|floor| floor.to_string());
    check_floor(item, target, floor.as_deref())?;
    let mode = if item.is_program { 0o755 } else { 0o644 };
    atomic::write_with_mode(&folder.join(item.file()), content, mode)?;
    Ok(Built {
        name: item.name.to_owned(),
        kind: item.kind.to_owned(),
        file: item.file(),
        sha256: sha256(content),
        size: content.len() as u64,
        glibc_floor: floor,
        source_digest: item.source_digest.clone(),
        inputs: item.inputs.clone(),
    })
}

/// Files of artifacts that `lab.toml` no longer has.
fn remove_strangers(folder: &Path, built: &[Built]) -> Result<()> {
    for subfolder in ["bin", "plugins"] {
        let Ok(entries) = fs::read_dir(folder.join(subfolder)) else { continue };
        for entry in entries {
            let entry = entry?;
            let name = format!("{subfolder}/{}", entry.file_name().to_string_lossy());
            if !built.iter().any(|built| built.file == name) {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
    }
    Ok(())
}

fn check_floor(item: &Item<'_>, target: &Target, measured: Option<&str>) -> Result<()> {
    let (Some(declared), Some(measured)) = (item.declared_floor, measured) else { return Ok(()) };
    if version(measured) > version(declared) {
        bail!(
            "{:?} for {} needs GLIBC_{measured}, its declared glibc floor is {declared}; raise `glibc_floor` in lab.toml or avoid what needs it",
            item.name,
            target.triple
        );
    }
    Ok(())
}

/// `2.17` as numbers, so that 2.4 sorts before 2.17.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Runs one command in the toolchain image, with the sources read-only and `target/lab/build` as its output.
fn run_inside(
    workshop: &Workshop<'_>,
    argv: &[String],
    env: Vec<(String, String)>,
    crates: Option<&Path>,
    on_stdout_line: Option<&(dyn Fn(&str) + Sync)>,
) -> Result<Vec<u8>> {
    let output = build_folder(workshop);
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    let mut mounts = vec![
        Mount::read_only(&workshop.ground.repository, inside::SOURCES),
        Mount::writable(&output, inside::BUILD),
    ];
    mounts.extend(crates.map(|crates| Mount::read_only(crates, inside::CRATES)));
    let room = Room { engine: workshop.engine, image: workshop.toolchain, mounts, cwd: inside::SOURCES };
    room.run(argv, env, on_stdout_line)
}

/// Runs a cargo command of the toolchain image over the workspace, for checks that make no artifact.
///
/// # Errors
/// What the command printed, when it ends with anything but 0.
pub(crate) fn run_cargo(workshop: &Workshop<'_>, argv: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let crates = vendor::ensure(&workshop.ground.repository, &workshop.ground.cache)?;
    let mut argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
    // Options of cargo itself stand before those of the tool that it starts.
    let at = argv.iter().position(|word| word == "--").unwrap_or(argv.len());
    if argv.iter().any(|word| word == "--offline") {
        argv.splice(at..at, compile_rust::vendored_config());
    }
    let mut environment = compile_rust::cargo_environment(CHECKS);
    environment.extend(env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    run_inside(workshop, &argv, environment, Some(&crates), None)?;
    Ok(())
}

/// Where [`run_cargo`] has cargo put what it makes, seen from outside.
pub(crate) fn checks_folder(workshop: &Workshop<'_>) -> PathBuf {
    build_folder(workshop).join(CHECKS)
}

/// Where the compilers of the image write, seen from outside.
///
/// Each toolchain has a folder of its own, because cargo does not notice when the standard library below it changes.
fn build_folder(workshop: &Workshop<'_>) -> PathBuf {
    build_folder_of(workshop.ground, workshop.toolchain)
}

fn build_folder_of(ground: &Ground, toolchain: &Image) -> PathBuf {
    state_folder(ground, "build", toolchain)
}

/// What a toolchain keeps between builds, one folder for each way to build.
fn state_folder(ground: &Ground, way: &str, toolchain: &Image) -> PathBuf {
    let digest = toolchain.digest.trim_start_matches("sha256:");
    ground.repository.join("target").join("lab").join(way).join(digest.get(..12).unwrap_or(digest))
}

/// Maps a path that a compiler inside the image named to the file outside.
fn outside(workshop: &Workshop<'_>, path: &str) -> Result<PathBuf> {
    below(&build_folder(workshop), path)
}

/// The same where `folder` is what the compiler sees as its output.
fn below(folder: &Path, path: &str) -> Result<PathBuf> {
    let relative = path
        .strip_prefix(inside::BUILD)
        .with_context(|| format!("the compiler wrote {path:?}, which is not under {}", inside::BUILD))?;
    Ok(folder.join(relative.trim_start_matches('/')))
}
