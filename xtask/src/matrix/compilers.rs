//! The same plugins by every compiler, in every host image of their own platform, loaded there by a probe of each compiler that builds
//! hosts: predicted and observed as any other pair.

mod axis;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use plugin_compat::{ElfFacts, HostReader, Policy, Verdict, judge};

pub(super) use self::axis::{CompiledRow, CompilerAxis, CompilerCell};
use self::axis::{CompilerRow, ProbeRow};
use super::PROBE;
use super::cell::{self, Observed};
use super::observe::{Place, Subject, observe_what_is_new};
use super::predict::read;
use crate::build::compilers::{ensure as build, images, is_ordinary, probe_name};
use crate::build::{Built, Dist, Workshop};
use crate::engine::{self, Engine};
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Compiled, Compiler, Host, Lab, Load, Meeting, Panic, Target};
use crate::workers;

/// All that compilers have built in a run, and the hosts that load it.
pub(super) struct Compilers<'a> {
    ground: &'a Ground,
    engine: &'a dyn Engine,
    /// With their images.
    hosts: Vec<(&'a Host, Image)>,
    plugins: Vec<Plugin<'a>>,
    probes: Vec<Probe<'a>>,
    rows: CompilerAxis,
    /// Whether every image was the one in its lock.
    pub(super) pinned: bool,
}

/// A plugin that one compiler has built for one target.
struct Plugin<'a> {
    compiled: Compiled<'a>,
    target: &'a Target,
    facts: ElfFacts,
    sha256: String,
    /// Relative to `dist/`.
    file: String,
}

/// A probe that one compiler has built for one target.
struct Probe<'a> {
    compiler: &'a str,
    target: &'a Target,
    sha256: String,
    /// Relative to `dist/`.
    file: String,
}

/// A plugin, and one way in which a host is told to load it.
type Pair<'p, 'a> = (&'p Plugin<'a>, Load);

impl<'a> Compilers<'a> {
    /// Has every compiler build for `targets`, whose ordinary artifacts are in `dists`, so that `hosts` can load it.
    pub(super) fn prepare(
        lab: &'a Lab,
        workshop: &Workshop<'a>,
        hosts: impl IntoIterator<Item = (&'a Host, Image)>,
        targets: &[&'a Target],
        dists: &[Dist],
    ) -> Result<Compilers<'a>> {
        let images = images(lab, workshop)?;
        let mut all = Compilers {
            ground: workshop.ground,
            engine: workshop.engine,
            hosts: hosts.into_iter().collect(),
            plugins: Vec::new(),
            probes: Vec::new(),
            rows: CompilerAxis::default(),
            pinned: images.values().all(|image| image.pinned),
        };
        let row = |compiler: &Compiler| CompilerRow::new(compiler, &images[&compiler.name].digest);
        all.rows.compilers = lab.compilers.iter().map(row).collect();
        for (&target, dist) in targets.iter().zip(build(lab, targets, &images, workshop)?) {
            for compiled in lab.compiled_for(target)? {
                all.add_plugin(compiled, target, &dist)?;
            }
            for compiler in lab.host_compilers(target) {
                let (dist, name) = if is_ordinary(compiler) {
                    let ordinary = dists.iter().find(|one| one.manifest.target == target.triple);
                    let nothing = || format!("nothing was built for {}", target.triple);
                    (ordinary.with_context(nothing)?, PROBE.to_owned())
                } else {
                    (&dist, probe_name(compiler))
                };
                let built = find(dist, &name)?;
                let (sha256, file) = (built.sha256.clone(), all.below_dist(dist, built)?);
                all.rows.probes.push(ProbeRow {
                    compiler: compiler.name.clone(),
                    target: target.triple.clone(),
                    sha256: sha256.clone(),
                    glibc_floor: built.glibc_floor.clone(),
                });
                all.probes.push(Probe { compiler: &compiler.name, target, sha256, file });
            }
        }
        Ok(all)
    }

    /// How many loads there are.
    pub(super) fn count(&self) -> usize {
        let of = |(host, _): &(&Host, Image)| self.probes_in(host).count() * self.pairs_in(host).len();
        self.hosts.iter().map(of).sum()
    }

    /// Has every probe load every plugin, in each host of their platform.
    pub(super) fn observe(mut self, bar: &indicatif::ProgressBar) -> Result<CompilerAxis> {
        let found = workers::each(self.hosts.len(), |at| {
            let (host, image) = &self.hosts[at];
            self.observe_in(host, image, bar)
        })?;
        self.rows.cells = found.concat();
        Ok(self.rows)
    }

    fn add_plugin(&mut self, compiled: Compiled<'a>, target: &'a Target, dist: &Dist) -> Result<()> {
        let name = compiled.name();
        let built = find(dist, &name)?;
        let facts = ElfFacts::parse(&read(&built.path(&dist.folder))?)
            .with_context(|| format!("{name} for {}", target.triple))?;
        let Some(note) = facts.note.identity() else {
            bail!("{name} for {} has no note that can be read: {:?}", target.triple, facts.note);
        };
        check_note(&compiled, &note.compiler, &note.profile)
            .with_context(|| format!("{name} for {}", target.triple))?;
        self.rows.plugins.push(CompiledRow {
            name: name.clone(),
            artifact: compiled.artifact.name.clone(),
            compiler: compiled.compiler.name.clone(),
            version: note.compiler.clone(),
            profile: compiled.profile,
            panic: compiled.panic,
            ends_host: note.aborts_on_panic(),
            target: target.triple.clone(),
            sha256: built.sha256.clone(),
            glibc_floor: built.glibc_floor.clone(),
        });
        let (sha256, file) = (built.sha256.clone(), self.below_dist(dist, built)?);
        self.plugins.push(Plugin { compiled, target, facts, sha256, file });
        Ok(())
    }

    fn observe_in(
        &self,
        host: &Host,
        image: &Image,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<CompilerCell>> {
        let pairs = self.pairs_in(host);
        let mut cells = Vec::new();
        for probe in self.probes_in(host) {
            let verdicts = self.judge(&pairs, probe, host, image)?;
            let compare = |at: usize, observed: Result<&Observed, &str>| {
                compare(host, probe, &pairs[at], &verdicts[at], observed)
            };
            if let Err(unavailable) = self.engine.check(host.arch) {
                let why = unavailable.to_string();
                cells.extend((0..pairs.len()).map(|at| compare(at, Err(why.as_str()))));
                continue;
            }
            let seen = self
                .load(&pairs, probe, host, image, &|at, observed| compare(at, Ok(observed)).cell.agree, bar)
                .with_context(|| format!("in {} by the probe of {}", host.name, probe.compiler))?;
            cells.extend(seen.iter().enumerate().map(|(at, observed)| compare(at, Ok(observed))));
        }
        Ok(cells)
    }

    /// What the bytes tell, outside the image.
    fn judge(
        &self,
        pairs: &[Pair<'_, '_>],
        probe: &Probe<'_>,
        host: &Host,
        image: &Image,
    ) -> Result<Vec<Verdict>> {
        let program = ElfFacts::parse(&read(&self.dist().join(&probe.file))?)
            .with_context(|| format!("{} as a host program", probe.file))?;
        let mut reader = HostReader::open(&image.rootfs, &host.name, program)
            .with_context(|| format!("host facts of {}", host.name))?;
        let verdict = |(plugin, load): &Pair<'_, '_>| {
            let policy = Policy::any_kind().allowing_abort(load.allow_abort);
            judge(&plugin.facts, reader.learn(&plugin.facts), &policy)
        };
        Ok(pairs.iter().map(verdict).collect())
    }

    /// Loads every pair that is not remembered as it was expected.
    fn load(
        &self,
        pairs: &[Pair<'_, '_>],
        probe: &Probe<'_>,
        host: &Host,
        image: &Image,
        agrees: &dyn Fn(usize, &Observed) -> bool,
        bar: &indicatif::ProgressBar,
    ) -> Result<Vec<Observed>> {
        let emulated = !engine::is_native(host.arch);
        let place = Place { image, probe: probe.file.clone(), probe_sha256: &probe.sha256, emulated };
        let subjects = pairs.iter().map(subject).collect::<Result<Vec<_>>>()?;
        observe_what_is_new(self.engine, &place, self.ground, &subjects, agrees, bar, &|_| {})
    }

    fn probes_in(&self, host: &Host) -> impl Iterator<Item = &Probe<'a>> {
        self.probes.iter().filter(move |probe| host.meets(probe.target) == Meeting::Home)
    }

    /// Every plugin for the platform of `host`, once for each way to load it.
    fn pairs_in(&self, host: &Host) -> Vec<Pair<'_, 'a>> {
        let home = self.plugins.iter().filter(|plugin| host.meets(plugin.target) == Meeting::Home);
        home.flat_map(|plugin| plugin.compiled.loads().into_iter().map(move |load| (plugin, load))).collect()
    }

    fn dist(&self) -> PathBuf {
        self.ground.repository.join("dist")
    }

    /// The path of what was built, relative to `dist/`.
    fn below_dist(&self, dist: &Dist, built: &Built) -> Result<String> {
        let path = built.path(&dist.folder);
        Ok(path.strip_prefix(self.dist())?.to_string_lossy().into_owned())
    }
}

fn find<'d>(dist: &'d Dist, name: &str) -> Result<&'d Built> {
    dist.manifest.find(name).with_context(|| format!("{name} was not built for {}", dist.manifest.target))
}

fn subject<'p>((plugin, load): &Pair<'p, '_>) -> Result<Subject<'p>> {
    let artifact = plugin.compiled.artifact;
    Ok(Subject {
        file: plugin.file.clone(),
        sha256: &plugin.sha256,
        truncate_after_judging: false,
        allow_abort: load.allow_abort,
        settings: artifact.settings()?,
        path: artifact.path.as_deref(),
        headers: &artifact.headers,
    })
}

/// Whether the note says who built it, and how: with this it is recognised.
fn check_note(compiled: &Compiled<'_>, compiler: &str, profile: &str) -> Result<()> {
    let name = compiled.compiler.name.replacen('-', " ", 1);
    ensure!(
        compiler == name || compiler.starts_with(&format!("{name}.")),
        "its note says that {compiler:?} built it, lab.toml calls that {:?}; rename one of them",
        compiled.compiler.name
    );
    let abort = if compiled.panic == Some(Panic::Abort) { "+abort" } else { "" };
    let wanted = format!("{}{abort}", compiled.profile);
    ensure!(
        profile == wanted,
        "its note says profile {profile:?}, it was built as {wanted:?}; mend plugin-sdk"
    );
    Ok(())
}

fn compare(
    host: &Host,
    probe: &Probe<'_>,
    (plugin, load): &Pair<'_, '_>,
    verdict: &Verdict,
    observed: Result<&Observed, &str>,
) -> CompilerCell {
    let Plugin { compiled, target, .. } = plugin;
    let id = format!("{}/{}", target.triple, compiled.name());
    let answers = compiled.artifact.answers.as_deref();
    let mut cell = cell::compare(&host.name, &id, verdict, observed, &load.expect, answers);
    let told = if load.allow_abort { " with --allow-abort" } else { "" };
    for disagreement in &mut cell.disagreements {
        *disagreement = format!("by the probe of {}{told}: {disagreement}", probe.compiler);
    }
    CompilerCell { host_compiler: probe.compiler.to_owned(), allow_abort: load.allow_abort, cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_that_says_something_else_is_named() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let all = lab.compiled_for(&lab.targets[0]).unwrap();
        let check = |name: &str, compiler: &str, profile: &str| {
            let compiled = all.iter().find(|compiled| compiled.name() == name).unwrap();
            check_note(compiled, compiler, profile).map_err(|error| error.to_string())
        };
        assert_eq!(check("ip-rustc-1.63-release-abort", "rustc 1.63.0", "release+abort"), Ok(()));
        assert_eq!(check("hello-c-gcc-14-debug", "gcc 14.2.0", "debug"), Ok(()));
        for (compiler, profile, sentence) in [
            ("rustc 1.6.3", "release+abort", "its note says that \"rustc 1.6.3\" built it"),
            (
                "rustc 1.63.0",
                "release",
                "its note says profile \"release\", it was built as \"release+abort\"",
            ),
        ] {
            let error = check("ip-rustc-1.63-release-abort", compiler, profile).unwrap_err();
            assert!(error.starts_with(sentence), "{error}");
        }
    }
}
