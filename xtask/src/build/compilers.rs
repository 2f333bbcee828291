//! Plugins and probes by every compiler of `lab.toml`, each in its own image, in `dist/<target>/compilers/`.
//!
//! All of them link as everything here does, through the toolchain image's `target-cc`, which is mounted where an image has none:
//! so the glibc floor is the same, whoever compiles.

mod c;
mod rust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

use super::sources::{self, Workspace};
use super::{
    Dist, Item, Manifest, Room, TOOLCHAIN, Workshop, compile_c, declared_floor, inside, publish,
    remove_strangers, sha256, vendor,
};
use crate::engine::Mount;
use crate::image::Image;
use crate::lab::{Compiled, Compiler, Lab, Language, Recipe, Target};

/// The folder below `dist/<target>/`.
pub(crate) const FOLDER: &str = "compilers";
/// The package and the program that load plugins.
const PROBE: (&str, &str) = ("plugin-host", "plugin-probe");

/// The name of the probe that `compiler` builds; of that of the toolchain image it is the ordinary one, and none is built here.
pub(crate) fn probe_name(compiler: &Compiler) -> String {
    format!("{}-{}", PROBE.1, compiler.name)
}

/// Whether `compiler` is that which builds everything else, too.
pub(crate) fn is_ordinary(compiler: &Compiler) -> bool {
    compiler.image() == TOOLCHAIN
}

/// The images of all compilers, by their names.
pub(crate) fn images(lab: &Lab, workshop: &Workshop<'_>) -> Result<BTreeMap<String, Image>> {
    let image = |compiler: &Compiler| Ok((compiler.name.clone(), workshop.ground.image(compiler.image())?));
    lab.compilers.iter().map(image).collect()
}

/// Brings `dist/<target>/compilers/` of every target in `targets` up to date. `images` are those of the compilers.
///
/// # Errors
/// Sources that a compiler refuses, with its words; an artifact that needs a newer glibc than it declares.
pub(crate) fn ensure(
    lab: &Lab,
    targets: &[&Target],
    images: &BTreeMap<String, Image>,
    workshop: &Workshop<'_>,
) -> Result<Vec<Dist>> {
    let plan = Plan { lab, images, workshop, workspace: Workspace::read(&workshop.ground.repository)? };
    let shelves: Vec<Shelf<'_>> = targets.iter().map(|target| plan.shelf(target)).collect::<Result<_>>()?;
    let stale: Vec<&Job<'_>> = shelves.iter().flat_map(|shelf| shelf.stale()).collect();
    let mut contents = build(lab, &stale, images, workshop)?;
    shelves.iter().map(|shelf| shelf.fill(&mut contents, workshop)).collect()
}

/// What one compiler makes for one target.
struct Job<'a> {
    target: &'a Target,
    compiler: &'a Compiler,
    name: String,
    /// A plugin, or else the probe.
    plugin: Option<Compiled<'a>>,
    source_digest: String,
    /// Digest of all that decides its content.
    inputs: String,
}

impl Job<'_> {
    /// As the rest of the build sees it.
    fn item(&self) -> Result<Item<'_>> {
        let (kind, recipe, floor) = match &self.plugin {
            Some(plugin) => {
                let artifact = plugin.artifact;
                (artifact.kind.as_str(), artifact.recipe()?, declared_floor(artifact, self.target))
            }
            None => ("program", Recipe::Cargo(PROBE.0), self.target.glibc_floor.as_deref()),
        };
        Ok(Item {
            name: &self.name,
            kind,
            recipe,
            is_program: self.plugin.is_none(),
            declared_floor: floor,
            source_digest: self.source_digest.clone(),
            inputs: self.inputs.clone(),
        })
    }
}

/// What plans are made with.
struct Plan<'a> {
    lab: &'a Lab,
    images: &'a BTreeMap<String, Image>,
    workshop: &'a Workshop<'a>,
    workspace: Workspace,
}

impl<'a> Plan<'a> {
    fn shelf(&self, target: &'a Target) -> Result<Shelf<'a>> {
        let folder = self.workshop.ground.repository.join("dist").join(&target.triple).join(FOLDER);
        let mut jobs = Vec::new();
        for plugin in self.lab.compiled_for(target)? {
            let source_digest = match plugin.artifact.recipe()? {
                Recipe::C(source) => compile_c::source_digest(source, &self.workshop.ground.repository)?,
                _ => self.workspace.digest_of(plugin.package()?)?,
            };
            jobs.push(self.job(target, plugin.compiler, plugin.name(), Some(plugin), source_digest)?);
        }
        for compiler in self.lab.host_compilers(target).filter(|compiler| !is_ordinary(compiler)) {
            let source_digest = self.workspace.digest_of(PROBE.0)?;
            jobs.push(self.job(target, compiler, probe_name(compiler), None, source_digest)?);
        }
        let known = Manifest::read_verified(&folder);
        Ok(Shelf { target, folder, jobs, known })
    }

    fn job(
        &self,
        target: &'a Target,
        compiler: &'a Compiler,
        name: String,
        plugin: Option<Compiled<'a>>,
        source_digest: String,
    ) -> Result<Job<'a>> {
        // Profiles, and what manifests inherit.
        let common = sources::digest_of_files(&self.workshop.ground.repository, [Path::new("Cargo.toml")])?;
        let image = image_of(compiler, self.images)?;
        let text = format!(
            "{} {} {common}\n{name} {} {:?} {source_digest}\n{} {:?}",
            self.workshop.toolchain.digest,
            image.digest,
            target.triple,
            target.glibc_floor,
            rust::STRIP,
            c::FLAGS
        );
        let inputs = format!("sha256:{}", sha256(text.as_bytes()));
        Ok(Job { target, compiler, name, plugin, source_digest, inputs })
    }
}

/// All that is made for one target.
struct Shelf<'a> {
    target: &'a Target,
    folder: PathBuf,
    jobs: Vec<Job<'a>>,
    known: Option<Manifest>,
}

impl<'a> Shelf<'a> {
    fn known(&self, job: &Job<'_>) -> Option<&super::Built> {
        let built = self.known.as_ref()?.find(&job.name)?;
        (built.inputs == job.inputs).then_some(built)
    }

    fn stale(&self) -> impl Iterator<Item = &Job<'a>> {
        self.jobs.iter().filter(|job| self.known(job).is_none())
    }

    /// Publishes what was built of it.
    fn fill(&self, contents: &mut Contents, workshop: &Workshop<'_>) -> Result<Dist> {
        let mut artifacts = Vec::new();
        for job in &self.jobs {
            artifacts.push(match (self.known(job), contents.remove(&key(job))) {
                (Some(built), _) => built.clone(),
                (None, Some(content)) => publish(&self.folder, self.target, &job.item()?, &content)?,
                (None, None) => anyhow::bail!("{:?} was not built for {}", job.name, self.target.triple),
            });
        }
        let manifest = Manifest {
            target: self.target.triple.clone(),
            image_digest: workshop.toolchain.digest.clone(),
            artifacts,
        };
        if self.known.as_ref() != Some(&manifest) {
            remove_strangers(&self.folder, &manifest.artifacts)?;
            manifest.write(&self.folder)?;
        }
        Ok(Dist { folder: self.folder.clone(), manifest })
    }
}

/// What was built, by target and name.
type Contents = BTreeMap<(String, String), Vec<u8>>;

fn key(job: &Job<'_>) -> (String, String) {
    (job.target.triple.clone(), job.name.clone())
}

fn image_of<'a>(compiler: &Compiler, images: &'a BTreeMap<String, Image>) -> Result<&'a Image> {
    images.get(&compiler.name).with_context(|| format!("compiler {:?} has no image", compiler.name))
}

/// Builds `jobs`, every compiler beside the others: each has crates to wait for that follow one another.
fn build(
    lab: &Lab,
    jobs: &[&Job<'_>],
    images: &BTreeMap<String, Image>,
    workshop: &Workshop<'_>,
) -> Result<Contents> {
    if jobs.is_empty() {
        return Ok(Contents::new());
    }
    let bar = workshop.ground.progress.spinner("compile with other compilers");
    let crates = vendor::ensure(&workshop.ground.repository, &workshop.ground.cache)?;
    let mut benches = Vec::new();
    for compiler in &lab.compilers {
        let mine: Vec<&Job<'_>> =
            jobs.iter().copied().filter(|job| job.compiler.name == compiler.name).collect();
        if !mine.is_empty() {
            let image = image_of(compiler, images)?;
            benches.push((Bench::new(compiler, image, &crates, workshop), mine));
        }
    }
    let on_built: &(dyn Fn() + Sync) = &|| bar.inc(1);
    let built: Vec<Result<Contents>> = thread::scope(|scope| {
        let started: Vec<_> =
            benches.iter().map(|(bench, mine)| scope.spawn(move || bench.build(mine, on_built))).collect();
        let ended = started.into_iter().map(|thread| thread.join());
        ended.map(|built| built.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    built.into_iter().collect::<Result<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
}

/// One compiler at work.
struct Bench<'a> {
    compiler: &'a Compiler,
    image: &'a Image,
    /// The sources of all crates that the workspace has locked.
    crates: &'a Path,
    workshop: &'a Workshop<'a>,
    /// What it keeps for the next time; another state of the image has another folder, because cargo does not notice when the standard
    /// library below it changes.
    folder: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(
        compiler: &'a Compiler,
        image: &'a Image,
        crates: &'a Path,
        workshop: &'a Workshop<'a>,
    ) -> Bench<'a> {
        let digest = image.digest.trim_start_matches("sha256:");
        let name = format!("{}-{}", compiler.name, digest.get(..12).unwrap_or(digest));
        let folder = workshop.ground.repository.join("target").join("lab").join("compilers").join(name);
        Bench { compiler, image, crates, workshop, folder }
    }

    fn build(&self, jobs: &[&Job<'_>], on_built: &(dyn Fn() + Sync)) -> Result<Contents> {
        let with = || format!("with {} of image {}", self.compiler.name, self.image.name);
        match self.compiler.language {
            Language::Rust => rust::build(self, jobs, on_built).with_context(with),
            Language::C => c::build(self, jobs, on_built).with_context(with),
        }
    }

    /// Where commands of the image run: sources in `sources`, output in the folder called `state`, and `target-cc`.
    fn room(&self, sources: Mount, state: &str) -> Result<Room<'_>> {
        let output = self.folder.join(state);
        std::fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        let mut mounts = vec![sources, Mount::writable(&output, inside::BUILD)];
        if !is_ordinary(self.compiler) {
            mounts.push(Mount::read_only(self.workshop.toolchain.rootfs.join("opt"), "/opt"));
        }
        Ok(Room { engine: self.workshop.engine, image: self.image, mounts, cwd: inside::SOURCES })
    }

    /// The repository as sources.
    fn repository(&self) -> Mount {
        Mount::read_only(&self.workshop.ground.repository, inside::SOURCES)
    }
}
