//! `cargo xtask bench`: what things cost, measured in pairs, with the raw samples beside every figure.
//!
//! What is measured and how it is rendered are apart: [`raw`] and [`environment`] are what a run leaves, everything else is rendered from them.

mod bed;
mod compare;
mod environment;
mod goals;
mod html;
mod http_suite;
mod index;
mod lab_copy;
mod machine;
mod metric;
mod pace;
mod page;
mod plots;
mod random;
mod raw;
mod report;
mod rounds;
mod run;
mod statistics;
mod suites;
mod terminal;
mod timed_suite;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum as _;

use self::bed::Bed;
use self::environment::Environment;
use self::pace::Pace;
use self::run::Run;
pub(crate) use self::suites::SuiteName;
use crate::atomic;
use crate::error::Stop;
use crate::flags::{BenchFlags, BenchVerb};
use crate::ground::Ground;
use crate::rendered;

const RENEW: &str = "cargo xtask bench render";

/// Runs `cargo xtask bench …`.
pub(crate) fn run(flags: &BenchFlags, ground: &Ground) -> Result<()> {
    match &flags.verb {
        None => measure(flags, ground).map(drop),
        Some(BenchVerb::Render) => render(&ground.repository),
        Some(BenchVerb::Check) => check(&ground.repository),
        Some(BenchVerb::Goals { run }) => {
            print!("{}", goals::render(&Run::read(&run::find(&ground.repository, run)?)?));
            Ok(())
        }
        Some(BenchVerb::Compare { old, new }) => {
            let read = |name: &str| Run::read(&run::find(&ground.repository, name)?);
            print!("{}", terminal::comparison(&read(old)?, &read(new)?));
            Ok(())
        }
    }
}

/// Runs every suite briefly, and sees that every goal is of something that is measured.
///
/// # Errors
/// See [`measure`]; [`Stop::Disagreement`] if a goal names what no suite has.
pub(crate) fn prove(ground: &Ground) -> Result<()> {
    let run = measure(&BenchFlags { quick: true, ..BenchFlags::default() }, ground)?;
    let unknown = goals::unknown(&run);
    if !unknown.is_empty() {
        bail!(Stop::Disagreement(format!("goals of what is not measured: {}", unknown.join("; "))));
    }
    Ok(())
}

/// Takes all samples of all suites that are asked for, and writes the run.
///
/// # Errors
/// [`Stop::Disagreement`] if samples failed; the run is written all the same.
fn measure(flags: &BenchFlags, ground: &Ground) -> Result<Run> {
    let names = asked(&flags.suites);
    let peers: Vec<&str> = names.iter().flat_map(|name| name.peers()).copied().collect();
    let bed = Bed::make(ground, flags, &peers)?;
    let mut run = Run { environment: bed.environment(flags)?, suites: Vec::new() };
    let folder = folder_of(flags, &run.environment, &ground.repository);
    ensure!(
        flags.quick || !folder.exists(),
        "{} is there already; remove it, or write elsewhere with --out",
        folder.display()
    );
    let started = Instant::now();
    for (before, name) in names.iter().enumerate() {
        let since = started.elapsed();
        let suite = name.measure(&bed)?;
        let elapsed = started.elapsed();
        let pace = Pace {
            suite: &suite.name,
            done: before + 1,
            total: names.len(),
            samples: suite.series.iter().map(|series| series.samples.len()).sum(),
            took: elapsed - since,
            elapsed,
        };
        // A terminal that is gone is no reason to stop measuring.
        let _ = writeln!(std::io::stderr(), "{}", pace.line());
        run.suites.push(suite);
        bed.record_images(&mut run.environment);
        // What is measured so far is kept, whatever becomes of the next suite.
        run.write(&folder)?;
    }
    run.suites.sort_by(|one, other| one.name.cmp(&other.name));
    run.write(&folder)?;
    if flags.quick {
        println!("{} samples were taken.", run.samples().count());
    } else {
        print!("{}", terminal::summary(&run));
    }
    if flags.goals {
        print!("\n{}", goals::render(&run));
    }
    println!("\nRun: {}", folder.strip_prefix(&ground.repository).unwrap_or(&folder).display());
    if flags.out.is_none() && !flags.quick {
        render(&ground.repository)?;
    }
    let failed = run.samples().filter(|sample| sample.failed.is_some()).count();
    if failed > 0 {
        bail!(Stop::Disagreement(format!("{failed} samples failed; the run's page says which and why")));
    }
    Ok(run)
}

/// The suites of `named`, each once, in the order in which they run; all if none is named.
fn asked(named: &[SuiteName]) -> Vec<SuiteName> {
    let is_asked = |name: &SuiteName| named.is_empty() || named.contains(name);
    SuiteName::value_variants().iter().copied().filter(is_asked).collect()
}

fn folder_of(flags: &BenchFlags, environment: &Environment, repository: &Path) -> PathBuf {
    match &flags.out {
        Some(folder) => folder.clone(),
        None if flags.quick => repository.join("target").join("bench").join(environment.run_name()),
        None => repository.join(run::RUNS).join(environment.run_name()),
    }
}

/// Renders all committed runs and their index anew.
fn render(repository: &Path) -> Result<()> {
    let mut runs = Vec::new();
    for folder in run::folders(repository)? {
        let run = Run::read(&folder)?;
        run.write_rendered(&folder)?;
        runs.push(run);
    }
    if runs.is_empty() {
        println!("There are no runs in {}.", run::RUNS);
        return Ok(());
    }
    for (page, text) in pages(&runs) {
        atomic::write(&repository.join(page), text.as_bytes())?;
    }
    println!("{} runs; index: {}, for a browser: {}", runs.len(), index::PAGE, html::PAGE);
    Ok(())
}

/// Checks that all that is rendered in `repository` is what its raw files give.
///
/// # Errors
/// [`Stop::Disagreement`] naming the first file and line that differ.
pub(crate) fn check(repository: &Path) -> Result<()> {
    let mut runs = Vec::new();
    for folder in run::folders(repository)? {
        let run = Run::read(&folder)?;
        let name = folder.file_name().context("a run has a name")?;
        if *name != *run.environment.run_name() {
            let right = run.environment.run_name();
            bail!(Stop::Disagreement(format!("{} has the run {right}; rename it", folder.display())));
        }
        ensure_publishable(&run)?;
        for (file, text) in run.rendered() {
            rendered::check(&folder.join(file), &text, RENEW)?;
        }
        if let Some(stranger) = run.strangers(&folder)?.first() {
            let file = folder.join(stranger);
            bail!(Stop::Disagreement(format!("nothing renders {}; run `{RENEW}`", file.display())));
        }
        runs.push(run);
    }
    for (page, text) in pages(&runs) {
        let page = repository.join(page);
        if !runs.is_empty() {
            rendered::check(&page, &text, RENEW)?;
        } else if page.exists() {
            bail!(Stop::Disagreement(format!("{} is of no run; remove it", page.display())));
        }
    }
    Ok(())
}

/// Whether others may rely on a run: it measured something, from known sources and images, and says what was tried where it misses a goal.
///
/// # Errors
/// [`Stop::Disagreement`] with the first reason why not.
fn ensure_publishable(run: &Run) -> Result<()> {
    let environment = &run.environment;
    let name = environment.run_name();
    let untold = goals::untold(run);
    let reason = if environment.quick {
        "was made with --quick, which measures nothing".to_owned()
    } else if !environment.pinned {
        "used images that are not those of their locks; renew the locks and measure again".to_owned()
    } else if environment.revision.ends_with('+') {
        "is of sources that were never committed; commit them and measure again".to_owned()
    } else if let Some(goal) = untold.first() {
        format!("misses a goal, and nothing says what was tried ({goal}); write it in xtask/src/bench/goals")
    } else {
        return Ok(());
    };
    bail!(Stop::Disagreement(format!("run {name} {reason}")))
}

/// What is rendered from all runs together, relative to the repository.
fn pages(runs: &[Run]) -> [(&'static str, String); 2] {
    [(index::PAGE, index::render(runs)), (html::PAGE, html::render(runs))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_changed_by_hand_is_found() {
        let repository = tempfile::tempdir().unwrap();
        check(repository.path()).unwrap();
        let run = run::tests::sample();
        let folder = repository.path().join(run::RUNS).join(run.environment.run_name());
        run.write(&folder).unwrap();
        let complaint = |what: &str| {
            let error = check(repository.path()).unwrap_err();
            assert_eq!(Stop::exit_code_of(&error), 1, "{error:#}");
            assert!(format!("{error:#}").contains(what), "{error:#}");
        };
        complaint("bench-results/README.md is stale");
        render(repository.path()).unwrap();
        check(repository.path()).unwrap();

        let page = repository.path().join(html::PAGE);
        let text = fs::read_to_string(&page).unwrap();
        fs::write(&page, text.replacen("worse", "better", 1)).unwrap();
        complaint("index.html is stale (line ");
        fs::write(&page, text).unwrap();
        let page = folder.join("README.md");
        fs::write(&page, fs::read_to_string(&page).unwrap().replace("worse", "better")).unwrap();
        complaint("README.md is stale (line ");
        let raw = folder.join("raw/server.json");
        let text = fs::read_to_string(&raw).unwrap();
        fs::write(&raw, text.replacen("35900.0", "35910.0", 17)).unwrap();
        render(repository.path()).unwrap();
        check(repository.path()).unwrap();
        fs::write(&raw, text).unwrap();
        complaint("README.md is stale");
        render(repository.path()).unwrap();
        let plot = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let plot = plot.filter(|file| file.extension().is_some_and(|extension| extension == "svg")).min().unwrap();
        let text = fs::read_to_string(&plot).unwrap();
        fs::write(&plot, text.replacen("<text", "<text ", 1)).unwrap();
        complaint(".svg is stale");
        render(repository.path()).unwrap();
        fs::write(folder.join("hand-made.svg"), "").unwrap();
        complaint("nothing renders");
        fs::remove_dir_all(repository.path().join(run::RUNS)).unwrap();
        complaint("is of no run");
    }

    #[test]
    fn what_nobody_could_repeat_is_not_published() {
        let good = run::tests::sample();
        ensure_publishable(&good).unwrap();
        let environment = &good.environment;
        let cases = [
            ("--quick", Environment { quick: true, ..environment.clone() }),
            ("locks", Environment { pinned: false, ..environment.clone() }),
            ("never committed", Environment { revision: "0123456789ab+".to_owned(), ..environment.clone() }),
        ];
        for (what, environment) in cases {
            let run = Run { environment, ..good.clone() };
            let error = ensure_publishable(&run).unwrap_err();
            assert!(error.to_string().contains(what), "{error:#}");
            assert_eq!(Stop::exit_code_of(&error), 1);
        }
    }

    #[test]
    fn suites_are_measured_once_however_often_they_are_named() {
        let named = [SuiteName::Server, SuiteName::Call, SuiteName::Server];
        assert_eq!(asked(&named).iter().map(|name| name.name()).collect::<Vec<_>>(), ["call", "server"]);
        assert_eq!(asked(&[]), SuiteName::value_variants());
    }

    #[test]
    fn a_run_lies_where_it_was_asked_for_or_among_the_others() {
        let environment = run::tests::sample().environment;
        let folder = |flags: &BenchFlags| folder_of(flags, &environment, Path::new("/repository"));
        let name = environment.run_name();
        let flags = BenchFlags::default();
        assert_eq!(folder(&flags), Path::new("/repository/bench-results/runs").join(&name));
        let flags = BenchFlags { quick: true, ..BenchFlags::default() };
        assert_eq!(folder(&flags), Path::new("/repository/target/bench").join(&name));
        let flags = BenchFlags { out: Some("elsewhere".into()), ..BenchFlags::default() };
        assert_eq!(folder(&flags), Path::new("elsewhere"));
    }
}
