//! `cargo xtask matrix`: every artifact in every host image, predicted from the bytes, observed with the real loader, compared with
//! what `lab.toml` expects; every scenario, a server that is driven there; and every nginx module in every nginx.

mod cell;
mod compilers;
mod drive;
mod fates;
mod markdown;
mod memory;
mod merge;
mod modules;
mod observe;
mod predict;
mod report;
mod scenario_cell;
mod scenarios;
mod shard;
mod summary;
mod timings;

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};

use self::cell::{Cell, Observed};
use self::compilers::{CompilerAxis, Compilers};
pub(crate) use self::memory::Memory;
use self::modules::{Modules, Outcomes};
use self::observe::observe_what_is_new;
pub(crate) use self::observe::{Place, Subject, observe};
use self::predict::Predictions;
use self::report::{ArtifactRow, HostRow, Report, ScenarioRow};
use self::scenario_cell::Driven;
use self::timings::Timings;
use crate::build::{self, Dist, Workshop};
use crate::engine::{self, Engine};
use crate::flags::{MatrixFlags, MatrixVerb, ReportFlags};
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Artifact, Host, Lab, Meeting, Target};
use crate::workers;

pub(crate) use self::report::check_rendering;
pub(crate) use self::shard::Shard;

/// The program of `lab.toml` that loads plugins and tells what happened.
pub(crate) const PROBE: &str = "plugin-probe";

/// `cargo xtask matrix` and what stands below it.
///
/// # Errors
/// Those of [`run`] and [`merge::run`].
pub(crate) fn command(flags: &MatrixFlags, ground: &Ground) -> Result<()> {
    match &flags.verb {
        None => run(flags, ground),
        Some(MatrixVerb::Render) => report::render(&ground.repository),
        Some(MatrixVerb::Merge { parts, report }) => merge::run(parts, report, ground),
    }
}

/// Runs the matrix.
///
/// # Errors
/// [`Disagreement`](crate::error::Stop::Disagreement) when a cell does not agree or the committed report is stale, [`NotRun`](crate::error::Stop::NotRun) when cells could not be run
/// here; anything else could not be done at all.
pub(crate) fn run(flags: &MatrixFlags, ground: &Ground) -> Result<()> {
    let (report, is_whole) = report(flags, ground)?;
    finish(&flags.report, ground, is_whole, &report)
}

/// Runs the matrix in so many parts, as on so many machines, and compares what they give together with the committed report. Where it has just run as a whole,
/// nothing is built or loaded again.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn check_in_parts(count: usize, ground: &Ground) -> Result<()> {
    let parts = Shard::all(count).map(|shard| {
        let flags = MatrixFlags { shard: Some(shard), ..MatrixFlags::default() };
        Ok(merge::Part { name: format!("part {shard}"), report: report(&flags, ground)?.0 })
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    merge::merge(&parts, &Lab::read(&ground.repository)?)?.check(&ground.repository, true)
}

/// Builds, predicts and observes what `flags` ask for; whether that is everything.
fn report(flags: &MatrixFlags, ground: &Ground) -> Result<(Report, bool)> {
    let lab = Lab::read(&ground.repository)?;
    let (mut hosts, mut nginxes) = lab.select_hosts(&flags.hosts)?;
    if let Some(shard) = flags.shard {
        (hosts, nginxes) = shard.take(hosts, nginxes)?;
    }
    let targets = lab.select_targets(&flags.targets)?;
    let mut timings = Timings::start();

    let arches = hosts.iter().map(|host| host.arch).chain(nginxes.iter().map(|nginx| nginx.arch));
    let engine = ground.engine(arches)?;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    timings.lap("toolchain image");
    let host_images = hosts.iter().map(|host| ground.image(&host.name)).collect::<Result<Vec<_>>>()?;
    timings.lap("host images");
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    // A host is judged and observed with the probe of its own target, whatever targets were asked for.
    let built_targets: Vec<&Target> = lab
        .targets
        .iter()
        .filter(|target| {
            targets.contains(target) || hosts.iter().any(|host| host.meets(target) == Meeting::Home)
        })
        .collect();
    let dists = build::ensure(&lab, &built_targets, &workshop)?;
    timings.lap("artifacts");
    let modules = Modules::prepare(&lab, ground, engine.as_ref(), &nginxes, &targets, &dists)?;
    timings.lap("modules of nginx");
    let with_images = hosts.iter().copied().zip(host_images.iter().cloned());
    let compilers = Compilers::prepare(&lab, &workshop, with_images, &targets, &dists)?;
    timings.lap("other compilers");

    let subjects = subjects(&lab, &targets, &dists)?;
    let run =
        Run { lab: &lab, ground, engine: engine.as_ref(), hosts, targets, host_images, dists, subjects };
    let predictions = run.predict()?;
    timings.lap("predictions");
    let observations = run.observe(&predictions, &mut timings)?;
    timings.lap("observations");
    let of_modules = modules.observe(&ground.progress.bar(modules.count() as u64, "load every module"))?;
    timings.lap("observations of nginx");
    let compilers_pinned = compilers.pinned;
    let bar = ground.progress.bar(compilers.count() as u64, "load what compilers made");
    let of_compilers = compilers.observe(&bar)?;
    timings.lap("of other compilers");

    let is_whole = run.is_whole() && nginxes.len() == lab.nginxes.len();
    let mut report = run.report(&toolchain, &predictions, &observations, of_modules, of_compilers)?;
    report.pinned &= compilers_pinned;
    if flags.timings {
        eprint!("{timings}");
    }
    Ok((report, is_whole))
}

/// A plugin of one target.
struct Plugin<'a> {
    artifact: &'a Artifact,
    target: &'a Target,
    row: ArtifactRow,
    /// Relative to `dist/`.
    file: String,
}

/// One run's inputs.
struct Run<'a> {
    lab: &'a Lab,
    ground: &'a Ground,
    engine: &'a dyn Engine,

    hosts: Vec<&'a Host>,
    targets: Vec<&'a Target>,
    host_images: Vec<Image>,
    dists: Vec<Dist>,
    subjects: Vec<Plugin<'a>>,
}

/// What became of one host.
enum HostOutcome {
    /// Every plugin was loaded there, and every scenario driven.
    Observed(Vec<Observed>, Vec<Driven>),
    NotRun(String),
}

impl Run<'_> {
    fn predict(&self) -> Result<Predictions> {
        let files: Vec<_> = self.subjects.iter().map(|plugin| self.dist().join(&plugin.file)).collect();
        let mut predictions = Predictions::read_artifacts(&files)?;
        for (host, image) in self.hosts.iter().zip(&self.host_images) {
            let (dist, probe) = self.program_of(host, PROBE)?;
            predictions.judge_in(host, image, &probe.path(&dist.folder))?;
        }
        Ok(predictions)
    }

    fn observe(&self, predictions: &Predictions, timings: &mut Timings) -> Result<Vec<HostOutcome>> {
        let scenarios: usize = self.hosts.iter().map(|host| self.scenarios_in(host).len()).sum();
        let total = (self.hosts.len() * self.subjects.len() + scenarios) as u64;
        let bar = self.ground.progress.bar(total, "load every plugin");
        let timings = Mutex::new(timings);
        workers::each(self.hosts.len(), |at| self.observe_host(at, predictions, &bar, &timings))
    }

    fn observe_host(
        &self,
        at: usize,
        predictions: &Predictions,
        bar: &indicatif::ProgressBar,
        timings: &Mutex<&mut Timings>,
    ) -> Result<HostOutcome> {
        let (host, image) = (self.hosts[at], &self.host_images[at]);
        if let Err(unavailable) = self.engine.check(host.arch) {
            return Ok(HostOutcome::NotRun(unavailable.to_string()));
        }
        let plugins = self.probe_all(host, image, predictions, bar, timings)?;
        let scenarios = self.drive_all(host, image, predictions, bar, timings)?;
        Ok(HostOutcome::Observed(plugins, scenarios))
    }

    fn probe_all(
        &self,
        host: &Host,
        image: &Image,
        predictions: &Predictions,
        bar: &indicatif::ProgressBar,
        timings: &Mutex<&mut Timings>,
    ) -> Result<Vec<Observed>> {
        let emulated = !engine::is_native(host.arch);
        let (dist, probe) = self.program_of(host, PROBE)?;
        let probe_file = format!("{}/{}", dist.manifest.target, probe.file);
        let place = Place { image, probe: probe_file, probe_sha256: &probe.sha256, emulated };
        let subjects: Vec<Subject<'_>> = self
            .subjects
            .iter()
            .map(|plugin| {
                Ok(Subject {
                    file: plugin.file.clone(),
                    sha256: &plugin.row.sha256,
                    truncate_after_judging: plugin.artifact.truncate_after_judging,
                    allow_abort: false,
                    settings: plugin.artifact.settings()?,
                    path: plugin.artifact.path.as_deref(),
                    headers: &plugin.artifact.headers,
                })
            })
            .collect::<Result<_>>()?;
        let agrees = |at, observed: &Observed| self.compare(host, at, predictions, Ok(observed)).agree;
        let on_answer = |millis| {
            if let Ok(mut timings) = timings.lock() {
                timings.probe(emulated, millis);
            }
        };
        observe_what_is_new(self.engine, &place, self.ground, &subjects, &agrees, bar, &on_answer)
            .with_context(|| format!("probing in {}", host.name))
    }

    fn compare(
        &self,
        host: &Host,
        plugin: usize,
        predictions: &Predictions,
        observed: Result<&Observed, &str>,
    ) -> Cell {
        let Plugin { artifact, target, row, .. } = &self.subjects[plugin];
        let expected = self.lab.expectation(artifact, target, host);
        let verdict = predictions.verdict(&host.name, plugin);
        cell::compare(&host.name, &row.id(), verdict, observed, &expected, artifact.answers.as_deref())
    }

    fn dist(&self) -> PathBuf {
        self.ground.repository.join("dist")
    }

    /// What is called `name` in `lab.toml`, built for the platform of `host`.
    fn program_of(&self, host: &Host, name: &str) -> Result<(&Dist, &build::Built)> {
        let target = self
            .lab
            .targets
            .iter()
            .find(|target| host.meets(target) == Meeting::Home)
            .with_context(|| format!("no target of lab.toml runs in host {:?}", host.name))?;
        let dist = self
            .dists
            .iter()
            .find(|dist| dist.manifest.target == target.triple)
            .with_context(|| format!("nothing was built for {}", target.triple))?;
        let built = dist.manifest.find(name).with_context(|| format!("lab.toml has no program {name:?}"))?;
        Ok((dist, built))
    }

    fn report(
        &self,
        toolchain: &Image,
        predictions: &Predictions,
        observations: &[HostOutcome],
        of_modules: Outcomes,
        of_compilers: CompilerAxis,
    ) -> Result<Report> {
        let (mut cells, mut scenario_cells) = (Vec::new(), Vec::new());
        for (host, outcome) in self.hosts.iter().zip(observations) {
            for plugin in 0..self.subjects.len() {
                let observed = outcome.get(|plugins, _| &plugins[plugin]);
                cells.push(self.compare(host, plugin, predictions, observed));
            }
            for (at, scenario) in self.scenarios_in(host).into_iter().enumerate() {
                let observed = outcome.get(|_, scenarios| &scenarios[at]);
                scenario_cells.push(self.compare_scenario(host, scenario, predictions, observed));
            }
        }
        let hosts = self
            .hosts
            .iter()
            .zip(&self.host_images)
            .map(|(host, image)| {
                Ok(HostRow {
                    name: host.name.clone(),
                    arch: host.arch,
                    libc: host.libc,
                    libc_version: predictions.libc_version(&host.name).to_owned(),
                    image_digest: image.digest.clone(),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Report {
            pinned: toolchain.pinned
                && of_modules.pinned
                && self.host_images.iter().all(|image| image.pinned),
            toolchain_digest: toolchain.digest.clone(),
            hosts,
            artifacts: self.subjects.iter().map(|plugin| plugin.row.clone()).collect(),
            cells,
            scenarios: self.lab.scenarios.iter().map(ScenarioRow::from).collect(),
            scenario_cells,
            nginxes: of_modules.nginxes,
            modules: of_modules.modules,
            module_cells: of_modules.cells,
            compiler_axis: of_compilers,
        })
    }

    /// Whether every artifact is loaded in every host.
    fn is_whole(&self) -> bool {
        self.hosts.len() == self.lab.hosts.len() && self.targets.len() == self.lab.targets.len()
    }
}

impl HostOutcome {
    /// What `pick` finds among the observations, or why there are none.
    fn get<'a, T>(&'a self, pick: impl Fn(&'a [Observed], &'a [Driven]) -> &'a T) -> Result<&'a T, &'a str> {
        match self {
            HostOutcome::Observed(plugins, scenarios) => Ok(pick(plugins, scenarios)),
            HostOutcome::NotRun(why) => Err(why),
        }
    }
}

fn subjects<'a>(lab: &'a Lab, targets: &[&'a Target], dists: &[Dist]) -> Result<Vec<Plugin<'a>>> {
    let mut subjects = Vec::new();
    for &target in targets {
        let dist = dists
            .iter()
            .find(|dist| dist.manifest.target == target.triple)
            .with_context(|| format!("nothing was built for {}", target.triple))?;
        for artifact in lab.artifacts.iter().filter(|artifact| artifact.is_built_for(target)) {
            let built = dist
                .manifest
                .find(&artifact.name)
                .with_context(|| format!("{} was not built for {}", artifact.name, target.triple))?;
            subjects.push(Plugin {
                artifact,
                target,
                row: ArtifactRow {
                    name: artifact.name.clone(),
                    kind: artifact.kind.clone(),
                    target: target.triple.clone(),
                    sha256: built.sha256.clone(),
                    glibc_floor: built.glibc_floor.clone(),
                },
                file: format!("{}/{}", target.triple, built.file),
            });
        }
    }
    Ok(subjects)
}

/// Prints `report`, compares or writes it, and says whether all is as it should be.
fn finish(flags: &ReportFlags, ground: &Ground, whole: bool, report: &Report) -> Result<()> {
    if flags.json {
        print!("{}", report.to_json()?);
    } else {
        print!("{}", summary::render(report));
    }
    report.check_that_all_ran()?;
    if flags.check {
        report.check(&ground.repository, whole)?;
    } else if whole {
        report.write(&ground.repository)?;
        if !flags.json {
            println!("Report: {}, from matrix.json beside it.", report::PAGE);
        }
    } else if !flags.json {
        println!("A part of the matrix; the committed report stays as it is.");
    }
    report.check_that_all_agree()
}
