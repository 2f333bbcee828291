//! Observation: files are opened in a host by a small program that is compiled for it, or by a program that is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use plugin_compat::ElfFacts;

use super::cell::{Observed, Outcome};
use super::compile::{self, Recipe};
use super::hosts::Place;
use super::subject::{SHOWN_AT, Subject};
use crate::build::sha256;
use crate::engine::{self, Engine, Exit, Job, Mount};
use crate::ground::Ground;

const SOURCE: &str = include_str!("opener.c");
/// Where files are opened from: what relative folders of run paths start from.
pub(super) const WORKING_DIRECTORY: &str = "/";
/// Where the opener is shown.
const OPENER_AT: &str = "/opener";
/// Time for starting a sandbox, and the most that one file may take; the opener's own limit is lower.
const START_SECONDS: u64 = 60;
const FILE_SECONDS: u64 = 30;

/// The opener for one place, and what runs it there.
pub(super) struct Opener {
    engine: Box<dyn Engine>,
    file: PathBuf,
    sha256: String,
}

impl Opener {
    /// Makes it ready for `place`.
    ///
    /// # Errors
    /// It cannot be built or run here.
    pub(super) fn prepare(place: &Place, ground: &Ground) -> Result<Opener> {
        let engine = ground.engine([place.image.arch])?;
        engine.check(place.image.arch)?;
        let file = ensure_built(place, ground)?;
        let sha256 = sha256(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        Ok(Opener { engine, file, sha256 })
    }

    /// All that observations in `place` have in common; none where nothing tells whether the place is still the same.
    pub(super) fn key(&self, place: &Place) -> Result<Option<String>> {
        let Some(digest) = &place.digest else { return Ok(None) };
        let program = match (&place.program.path, &place.program.file) {
            (None, _) => String::new(),
            (Some(path), None) => path.clone(),
            (Some(path), Some(file)) => format!("{path} {}", sha256(&fs::read(file)?)),
        };
        let emulated = !engine::is_native(place.image.arch);
        let name = self.engine.name();
        Ok(Some(format!("inspect\n{name}\n{digest}\n{}\n{program}\n{emulated}", self.sha256)))
    }

    /// Opens every subject in `place`; answers come in the order of `subjects`.
    ///
    /// # Errors
    /// The opener cannot be run, or the program that is named does not start. A file that crashes is an answer.
    pub(super) fn open(&self, place: &Place, subjects: &[&Subject]) -> Result<Vec<Observed>> {
        let root = &place.image.rootfs;
        let staged = stage(subjects, root)?;
        let paths: Vec<String> = subjects.iter().map(|subject| subject.path_in(root)).collect();
        if let Some(odd) = paths.iter().find(|path| path.contains('\n')) {
            bail!("{odd:?} has a line break in its name; rename it");
        }
        let mut mounts = vec![Mount::read_only(&self.file, OPENER_AT), Mount::read_only(staged.path(), SHOWN_AT)];
        let mut env = vec![("LC_ALL".to_owned(), "C".into())];
        let program = match &place.program.path {
            None => OPENER_AT,
            Some(path) => {
                mounts.extend(place.program.file.iter().map(|file| Mount::read_only(file, path)));
                env.push(("LD_PRELOAD".to_owned(), OPENER_AT.into()));
                path
            }
        };
        let finished = self.engine.run(&Job {
            env,
            cwd: WORKING_DIRECTORY.to_owned(),
            mounts,
            stdin: (paths.join("\n") + "\n").into_bytes(),
            deadline: Duration::from_secs(START_SECONDS + FILE_SECONDS * subjects.len() as u64),
            ..Job::new(&place.image, [program])
        })?;
        let stdout = String::from_utf8_lossy(&finished.stdout);
        let seen: Vec<Observed> =
            stdout.lines().zip(&paths).map(|(line, path)| parse(line, path)).collect::<Result<_>>()?;
        ensure!(
            matches!(finished.exit, Exit::Code(0)) && seen.len() == subjects.len(),
            "`{program}` in {} ended with {} after {} of {} files:\n{}",
            place.name,
            finished.exit,
            seen.len(),
            subjects.len(),
            crate::process::tail(b"", &finished.stderr)
        );
        Ok(seen)
    }
}

/// The files that a root file system does not have, each in a folder of its own. Links where the file system can, since nobody writes to
/// them; else copies.
fn stage(subjects: &[&Subject], root: &Path) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    for subject in subjects.iter().filter(|subject| !subject.lies_in(root)) {
        let place = folder.path().join(subject.staged());
        let explain = || format!("cannot copy {}", subject.name);
        fs::create_dir_all(place.parent().context("a file lies in a folder")?).with_context(explain)?;
        if !place.exists() && fs::hard_link(&subject.file, &place).is_err() {
            fs::copy(&subject.file, &place).with_context(explain)?;
        }
    }
    Ok(folder)
}

fn parse(line: &str, path: &str) -> Result<Observed> {
    let (word, message) = line.split_once('\t').with_context(|| format!("the opener printed {line:?}"))?;
    let outcome = match word {
        "opened" => Outcome::Loads,
        "refused" => Outcome::Refused,
        "died" => Outcome::Crashed,
        "hung" => Outcome::Hung,
        _ => bail!("the opener printed {line:?}"),
    };
    Ok(Observed::of(outcome, message.to_owned(), path))
}

/// The opener for `place`, compiled by the toolchain image unless that was done before.
fn ensure_built(place: &Place, ground: &Ground) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-{}", place.image.arch, place.libc);
    let preloaded = place.program.path.is_some();
    let mut arguments = vec!["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-ldl"];
    if preloaded {
        arguments.extend(["-fPIC", "-shared", "-DPRELOADED"]);
    }
    let name = if preloaded { "opener.so" } else { "opener" };
    let recipe = Recipe { name, target: &target, source: SOURCE, arguments: &arguments };
    let file = compile::ensure(&recipe, ground)?;
    if !preloaded {
        check_needs(place, &file)?;
    }
    Ok(file)
}

/// A prediction is worth nothing for an opener that has other libraries in its process than the predicted program.
fn check_needs(place: &Place, file: &Path) -> Result<()> {
    let facts = ElfFacts::parse(&fs::read(file)?).context("the opener")?;
    let sorted = |facts: &ElfFacts| {
        let mut needed: Vec<String> = facts.needed.iter().map(ToString::to_string).collect();
        needed.sort();
        (needed, facts.interpreter.clone())
    };
    let (is, said) = (sorted(&facts), sorted(&place.program.facts));
    ensure!(
        is == said,
        "the opener for {} has loader and libraries {is:?}, containers/hosts/program.toml says {said:?}; correct that file",
        place.name
    );
    Ok(())
}
