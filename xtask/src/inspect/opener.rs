//! Observation: files are opened in a host by a small program that is compiled for it, or by a program that is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use plugin_compat::{ElfFacts, code_of_message};

use super::cell::{Observed, Outcome};
use super::hosts::Place;
use super::subject::{SHOWN_AT, Subject};
use crate::atomic;
use crate::build::{self, Room, inside, sha256};
use crate::engine::{Exit, Job, Mount};
use crate::ground::Ground;

const SOURCE: &str = include_str!("opener.c");
/// Where files are opened from: what relative folders of run paths start from.
pub(super) const WORKING_DIRECTORY: &str = "/";
/// Where the opener is shown.
const OPENER_AT: &str = "/opener";
/// Time for starting a sandbox, and the most that one file may take; the opener's own limit is lower.
const START_SECONDS: u64 = 60;
const FILE_SECONDS: u64 = 30;

/// Opens every subject in `place`; answers come in the order of `subjects`.
///
/// # Errors
/// The opener cannot be built or run here, or the program that is named does not start. A file that crashes is an answer.
pub(super) fn observe(place: &Place, subjects: &[Subject], ground: &Ground) -> Result<Vec<Observed>> {
    let engine = ground.engine([place.image.arch])?;
    engine.check(place.image.arch)?;
    let opener = ensure_built(place, ground)?;
    let root = &place.image.rootfs;
    let staged = stage(subjects, root)?;
    let paths: Vec<String> = subjects.iter().map(|subject| subject.path_in(root)).collect();
    if let Some(odd) = paths.iter().find(|path| path.contains('\n')) {
        bail!("{odd:?} has a line break in its name; rename it");
    }
    let mount = |source: &Path, target: &str| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        writable: false,
    };
    let mut mounts = vec![mount(&opener, OPENER_AT), mount(staged.path(), SHOWN_AT)];
    let mut env = vec![("LC_ALL".to_owned(), "C".into())];
    let program = match &place.program.path {
        None => OPENER_AT,
        Some(path) => {
            mounts.extend(place.program.file.iter().map(|file| mount(file, path)));
            env.push(("LD_PRELOAD".to_owned(), OPENER_AT.into()));
            path
        }
    };
    let finished = engine.run(&Job {
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

/// Copies of the files that a root file system does not have, each in a folder of its own.
fn stage(subjects: &[Subject], root: &Path) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    for subject in subjects.iter().filter(|subject| !subject.lies_in(root)) {
        let copy = folder.path().join(subject.staged());
        let explain = || format!("cannot copy {}", subject.name);
        fs::create_dir_all(copy.parent().context("a file lies in a folder")?).with_context(explain)?;
        fs::copy(&subject.file, &copy).with_context(explain)?;
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
    let code = (outcome == Outcome::Refused).then(|| code_of_message(message, path)).flatten();
    Ok(Observed { outcome, message: message.to_owned(), code })
}

/// The opener for `place`, compiled by the toolchain image unless that was done before.
fn ensure_built(place: &Place, ground: &Ground) -> Result<PathBuf> {
    let toolchain = ground.image(build::TOOLCHAIN)?;
    let target = format!("{}-unknown-linux-{}", place.image.arch, place.libc);
    let preloaded = place.program.path.is_some();
    let name = if preloaded { "opener.so" } else { "opener" };
    let inputs = sha256(format!("{}\n{SOURCE}", toolchain.digest).as_bytes());
    let folder = ground.repository.join("target/lab/inspect").join(&target).join(&inputs[..16]);
    let file = folder.join(name);
    if !file.is_file() {
        let content = compile(&target, name, preloaded, &toolchain, ground)?;
        atomic::write_with_mode(&file, &content, 0o755)?;
    }
    if !preloaded {
        check_needs(place, &file)?;
    }
    Ok(file)
}

fn compile(
    target: &str,
    name: &str,
    preloaded: bool,
    toolchain: &crate::image::Image,
    ground: &Ground,
) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    fs::write(folder.path().join("opener.c"), SOURCE).context("cannot write the opener's source")?;
    let mounts =
        vec![Mount { source: folder.path().to_owned(), target: inside::BUILD.to_owned(), writable: true }];
    let engine = ground.engine([])?;
    let room = Room { engine: engine.as_ref(), image: toolchain, mounts, cwd: inside::BUILD };
    let mut argv = vec![format!("/opt/dynlab/bin/{target}-cc")];
    argv.extend(["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"].map(str::to_owned));
    if preloaded {
        argv.extend(["-fPIC", "-shared", "-DPRELOADED"].map(str::to_owned));
    }
    argv.extend(["opener.c", "-o", name, "-ldl"].map(str::to_owned));
    room.run(&argv, Vec::new(), None)?;
    fs::read(folder.path().join(name)).context("the compiler wrote no opener")
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
