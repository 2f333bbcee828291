//! The part of a run that loads modules into nginx: predicted from the bytes of both, observed with `nginx -t`.

mod observe;
mod words;

use std::path::PathBuf;

use anyhow::{Context, Result};
use nginx_compat::{Listing, Module as Facts, Reason};
use plugin_compat::{ElfError, ElfFacts, HostReader};

use self::observe::{PROGRAM, Place, Tried};
use super::cell::{Cell, CellReason, NOT_RUN};
use super::memory::Memory;
use super::predict::read;
use super::report::{ArtifactRow, NginxRow};
use crate::build::nginx_modules::{self, BuiltModule};
use crate::build::{Built, Dist};
use crate::engine::{self, Engine};
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::{Expectation, Lab, Module, ModuleRecipe, Nginx, Outcome, Target};
use crate::workers;

/// The modules of a run and the nginxes that they are loaded into.
pub(super) struct Modules<'a> {
    lab: &'a Lab,
    ground: &'a Ground,
    engine: &'a dyn Engine,
    hosts: Vec<Host<'a>>,
    subjects: Vec<Subject<'a>>,
}

/// An nginx, and what its bytes say.
struct Host<'a> {
    nginx: &'a Nginx,
    image: Image,
    row: NginxRow,
    /// Of every subject, in their order: why it does not load, if it does not.
    predictions: Vec<Vec<Reason>>,
}

/// A module that was built for one nginx.
struct Subject<'a> {
    module: &'a Module,
    built_for: &'a Nginx,
    row: ArtifactRow,
    /// Relative to `dist/`.
    file: String,
}

/// What a run found out of modules.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) nginxes: Vec<NginxRow>,
    pub(super) modules: Vec<ArtifactRow>,
    pub(super) cells: Vec<Cell>,
    /// Whether every image was the one in its lock.
    pub(super) pinned: bool,
}

impl<'a> Modules<'a> {
    /// Builds the modules of those of `targets` that have an nginx, and judges them in each of `nginxes`. `dists` are those of `targets`.
    pub(super) fn prepare(
        lab: &'a Lab,
        ground: &'a Ground,
        engine: &'a dyn Engine,
        nginxes: &[&'a Nginx],
        targets: &[&Target],
        dists: &[Dist],
    ) -> Result<Modules<'a>> {
        let mut modules = Modules { lab, ground, engine, hosts: Vec::new(), subjects: Vec::new() };
        let is_asked_for = |nginx: &&Nginx| targets.iter().any(|target| nginx.is_of(target));
        let built_for: Vec<&Nginx> = lab.nginxes.iter().filter(is_asked_for).collect();
        // What nothing is loaded into need not be made.
        if nginxes.is_empty() || built_for.is_empty() {
            return Ok(modules);
        }
        for (nginx, built) in built_for.iter().zip(nginx_modules::ensure(lab, &built_for, ground)?) {
            modules.add(nginx, built, dists)?;
        }
        let files = modules.subjects.iter().map(|subject| Ok(Facts::parse(&read(&modules.dist(subject))?)));
        let facts = files.collect::<Result<Vec<Result<Facts, ElfError>>>>()?;
        for &nginx in nginxes {
            modules.hosts.push(judge_all(nginx, ground.image(&nginx.name)?, &facts)?);
        }
        Ok(modules)
    }

    /// How many cells there are.
    pub(super) fn count(&self) -> usize {
        self.hosts.len() * self.subjects.len()
    }

    /// Has every nginx load every module.
    pub(super) fn observe(&self, bar: &indicatif::ProgressBar) -> Result<Outcomes> {
        let found = workers::each(self.hosts.len(), |at| self.observe_in(&self.hosts[at], bar))?;
        Ok(Outcomes {
            nginxes: self.hosts.iter().map(|host| host.row.clone()).collect(),
            modules: self.subjects.iter().map(|subject| subject.row.clone()).collect(),
            cells: found.concat(),
            pinned: self.hosts.iter().all(|host| host.image.pinned),
        })
    }

    /// Those that were `built` for one nginx, in the order of `lab.toml`.
    fn add(&mut self, built_for: &'a Nginx, built: Vec<Option<BuiltModule>>, dists: &[Dist]) -> Result<()> {
        for (module, built) in self.lab.modules.iter().zip(built) {
            let (target, file, sha256) = match (module.recipe()?, built) {
                (ModuleRecipe::Artifact(name), _) => {
                    // One for each architecture, whatever the versions.
                    let same = |one: &Subject<'_>| {
                        one.module.name == module.name && one.built_for.arch == built_for.arch
                    };
                    if self.subjects.iter().any(same) {
                        continue;
                    }
                    let (target, Built { file, sha256, .. }) = artifact(name, built_for, self.lab, dists)?;
                    (target.to_owned(), format!("{target}/{file}"), sha256.clone())
                }
                (_, Some(built)) => (built_for.name.clone(), built.file, built.sha256),
                (_, None) => anyhow::bail!("module {:?} was not built for {}", module.name, built_for.name),
            };
            let kind = "nginx-module".to_owned();
            let row = ArtifactRow { name: module.name.clone(), kind, target, sha256, glibc_floor: None };
            self.subjects.push(Subject { module, built_for, row, file });
        }
        Ok(())
    }

    fn observe_in(&self, host: &Host<'_>, bar: &indicatif::ProgressBar) -> Result<Vec<Cell>> {
        let compare = |at: usize, tried: Result<&Tried, &str>| {
            let Subject { module, built_for, row, .. } = &self.subjects[at];
            let expected = self.lab.module_expectation(module, built_for, host.nginx);
            compare(&host.nginx.name, &row.id(), &host.predictions[at], tried, &expected)
        };
        if let Err(unavailable) = self.engine.check(host.nginx.arch) {
            let why = unavailable.to_string();
            return Ok((0..self.subjects.len()).map(|at| compare(at, Err(&why))).collect());
        }
        let emulated = !engine::is_native(host.nginx.arch);
        let place = Place { engine: self.engine, image: &host.image, emulated };
        let mut memory = Memory::<Tried>::recall(&self.ground.cache, &place.key());
        let mut cells = Vec::new();
        for (at, subject) in self.subjects.iter().enumerate() {
            let key = format!("{} {}", subject.row.sha256, subject.module.directives);
            // What was expected once may be so no longer: then it is a surprise, too.
            let known = memory.of(&key).map(|tried| compare(at, Ok(tried))).filter(|cell| cell.agree);
            cells.push(match known {
                Some(cell) => cell,
                None => {
                    let tried = place
                        .try_loading(
                            &self.ground.repository.join("dist"),
                            &subject.file,
                            &subject.module.directives,
                        )
                        .with_context(|| format!("module {} in {}", subject.row.id(), host.nginx.name))?;
                    let cell = compare(at, Ok(&tried));
                    if cell.agree {
                        memory.keep(key, &tried);
                        memory.save()?;
                    }
                    cell
                }
            });
            bar.inc(1);
        }
        Ok(cells)
    }

    fn dist(&self, subject: &Subject<'_>) -> PathBuf {
        self.ground.repository.join("dist").join(&subject.file)
    }
}

/// The artifact called `name`, built for the platform of `nginx`.
fn artifact<'d>(name: &str, nginx: &Nginx, lab: &Lab, dists: &'d [Dist]) -> Result<(&'d str, &'d Built)> {
    let target = lab.targets.iter().find(|target| nginx.is_of(target));
    let dist = dists.iter().find(|dist| target.is_some_and(|target| target.triple == dist.manifest.target));
    let built = dist.and_then(|dist| Some((dist.manifest.target.as_str(), dist.manifest.find(name)?)));
    built.with_context(|| format!("artifact {name:?} was not built for {}", nginx.name))
}

/// Reads the facts of an nginx, and judges all modules there.
fn judge_all<'a>(nginx: &'a Nginx, image: Image, facts: &[Result<Facts, ElfError>]) -> Result<Host<'a>> {
    let what = || format!("{PROGRAM} of image {}", nginx.name);
    let program = read(&image.rootfs.join(PROGRAM.trim_start_matches('/')))?;
    let own = Listing::parse(&program).with_context(what)?;
    let core = own.modules.first().with_context(what)?;
    let elf = ElfFacts::parse(&program).with_context(what)?;
    let mut reader = HostReader::open(&image.rootfs, &nginx.name, elf).with_context(what)?;
    let predictions = facts
        .iter()
        .map(|facts| match facts {
            Ok(module) => nginx_compat::judge(module, &own, reader.learn(&module.elf)),
            Err(error) => nginx_compat::judge_unreadable(error),
        })
        .collect();
    let row = NginxRow {
        name: nginx.name.clone(),
        arch: nginx.arch,
        version: core.written_version(),
        signature: core.signature.clone(),
        libc: reader.facts().libc_name(),
        image_digest: image.digest.clone(),
    };
    Ok(Host { nginx, image, row, predictions })
}

/// Compares what was predicted, what nginx did, and what `lab.toml` expects; or says why nothing could be observed.
fn compare(
    host: &str,
    module: &str,
    predicted: &[Reason],
    tried: Result<&Tried, &str>,
    expected: &Expectation,
) -> Cell {
    let (disagreements, did) = match tried {
        Ok(tried) => (disagreements(predicted, tried, expected), tried.outcome.to_string()),
        Err(why) => (vec![format!("not run, because {why}")], NOT_RUN.to_owned()),
    };
    let reason = |reason: &Reason| CellReason { code: reason.code.to_string(), text: reason.text.clone() };
    Cell {
        host: host.to_owned(),
        artifact: module.to_owned(),
        predicted: if predicted.is_empty() { "works" } else { "refused" }.to_owned(),
        // nginx judges nothing: what it does is what its loader does.
        observed: did.clone(),
        expected: expected.alone.to_string(),
        loader: did,
        agree: disagreements.is_empty(),
        reasons: predicted.iter().map(reason).collect(),
        stage: None,
        message: tried.ok().and_then(|tried| tried.message.clone()),
        unforeseeable: expected.is_unforeseeable(),
        disagreements,
    }
}

fn disagreements(predicted: &[Reason], tried: &Tried, expected: &Expectation) -> Vec<String> {
    let mut found = Vec::new();
    let codes: Vec<&str> = predicted.iter().map(|reason| reason.code.as_str()).collect();
    let first = codes.first().copied().unwrap_or("works");
    let foreseen = expected.predicted.in_a_word();
    if first != foreseen {
        found.push(format!("predicted {first}, expected {foreseen}"));
    }
    if tried.outcome != expected.alone {
        let said = tried.message.as_deref().unwrap_or("nothing");
        found.push(format!("nginx: {} ({said}), expected {}", tried.outcome, expected.alone));
    }
    if let (Outcome::Refused, Some(code)) = (tried.outcome, &tried.code)
        && code != first
    {
        found.push(format!("nginx refused for {code}, predicted {codes:?}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use nginx_compat::Code;

    use super::*;

    fn tried(outcome: Outcome, code: Option<&str>) -> Tried {
        Tried { outcome, code: code.map(str::to_owned), message: Some("words".to_owned()) }
    }

    fn reasons(codes: &[Code]) -> Vec<Reason> {
        codes.iter().map(|&code| Reason { code, text: String::new() }).collect()
    }

    #[test]
    fn agreement_needs_the_bytes_nginx_and_the_expectation() {
        use Outcome::{Crashed, Refused, Works};
        let (works, version) = (Expectation::works(), Expectation::refused("nginx.version"));
        let truncated = Expectation { alone: Crashed, ..Expectation::refused("elf.truncated") };
        let cut = Code::Loader(plugin_compat::Code::ElfTruncated);
        let cases = [
            (&[][..], tried(Works, None), &works, vec![]),
            (&[Code::Version], tried(Refused, Some("nginx.version")), &version, vec![]),
            // glibc's words for a file of another machine tell nothing.
            (&[Code::Version], tried(Refused, None), &version, vec![]),
            (&[cut], tried(Crashed, None), &truncated, vec![]),
            (
                &[],
                tried(Refused, Some("nginx.signature")),
                &works,
                vec![
                    "nginx: refused (words), expected works",
                    "nginx refused for nginx.signature, predicted []",
                ],
            ),
            (&[Code::Version], tried(Works, None), &works, vec!["predicted nginx.version, expected works"]),
            (&[Code::Version], tried(Works, None), &version, vec!["nginx: works (words), expected refused"]),
            // What nginx stumbles over first is what has to be told first.
            (
                &[Code::Symbol, Code::Version],
                tried(Refused, Some("nginx.version")),
                &Expectation::refused("nginx.symbol"),
                vec!["nginx refused for nginx.version, predicted [\"nginx.symbol\", \"nginx.version\"]"],
            ),
        ];
        for (predicted, tried, expected, found) in cases {
            assert_eq!(
                disagreements(&reasons(predicted), &tried, expected),
                found,
                "{predicted:?} {tried:?}"
            );
        }
    }

    #[test]
    fn a_cell_tells_what_nginx_did_and_one_that_was_not_run_never_agrees() {
        let cell = compare(
            "nginx-1.22-x86_64",
            "nginx-1.26-x86_64/minimal",
            &reasons(&[Code::Version]),
            Ok(&tried(Outcome::Refused, Some("nginx.version"))),
            &Expectation::refused("nginx.version"),
        );
        assert!(cell.agree, "{cell:?}");
        assert_eq!(
            (cell.observed.as_str(), cell.loader.as_str(), cell.predicted.as_str()),
            ("refused", "refused", "refused")
        );
        assert_eq!(cell.message.as_deref(), Some("words"));
        let cell = compare("h", "m", &[], Err("there is no binfmt_misc"), &Expectation::works());
        assert_eq!((cell.observed.as_str(), cell.agree), (NOT_RUN, false));
    }
}
