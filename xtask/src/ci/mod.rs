//! `cargo xtask ci`: what runs on every push, each step also by itself.

mod arrows;
mod cross;
mod docker;
mod fuzz;
mod generated;
mod in_image;
mod msrv;
mod package;
mod published;
mod room;
pub(crate) mod semver;
mod skip;
mod workflows;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

pub(crate) use self::skip::Skippable;
use self::skip::skip;
use crate::bench;
use crate::dist;
use crate::engine;
use crate::flags::{MatrixFlags, ReportFlags};
use crate::ground::Ground;
use crate::inspect;
use crate::lab::Arch;
use crate::matrix;
use crate::process;
use crate::repro;

/// A step of CI. The order is that of a full run: cheap checks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Dependencies between the workspace's crates point the way ARCHITECTURE.md draws them.
    Arrows,
    /// Generated files are what their sources give.
    Generated,
    /// rustfmt of the toolchain image finds nothing to change.
    Format,
    /// zizmor finds nothing in the workflows of GitHub, shellcheck nothing in their scripts, they keep to their schema, and what expressions name is there.
    Workflows,
    /// clippy of the toolchain image finds nothing, and every public item is documented.
    Lint,
    /// What is published builds with the oldest compiler that it promises, and a plugin made so loads.
    Msrv,
    /// What is published can be packed, is complete, and builds from its packages alone.
    Package,
    /// What is published has all that its last release had, or a version that says otherwise.
    Semver,
    /// The matrix agrees everywhere and the committed report is fresh, from locked images only; in parts it is the same.
    Matrix,
    /// One more build, in other circumstances, gives the same artifacts, images and reports, of a cheap selection.
    Repro,
    /// Files that are odd in one way each load in every host as predicted, and predictions for modules of others are those that are committed.
    Inspect,
    /// Archives of a release come out the same twice, their sums and bills hold, and what is in them runs.
    Dist,
    /// Every suite of the benchmarks runs, briefly: no sample fails, and all servers answer alike.
    Bench,
    /// The docker engine comes to the same report.
    Docker,
    /// cross, in docker, makes the same files as xtask.
    Cross,
    /// The fuzz targets of what reads strangers' files compile, and find nothing in what is kept of their inputs.
    Fuzz,
    /// The workspace's tests pass, built by the cargo that runs this.
    Test,
}

/// How many the matrix is shared out to, to see that nothing changes by that.
const MACHINES: usize = 3;

/// Images of services that tests start.
const SERVICES: &[&str] =
    &["redis", "nginx-1.22-x86_64", "nginx-1.26-x86_64", "nginx-1.22-aarch64", "nginx-1.26-aarch64"];

/// Runs `steps`, or all of them when it is empty, and stops at the first that fails. What is `required` is not skipped where something is missing.
pub(crate) fn run(steps: &[Step], required: &[Skippable], ground: &Ground) -> Result<()> {
    let all = Step::value_variants();
    for &step in if steps.is_empty() { all } else { steps } {
        let started = Instant::now();
        eprintln!("ci: {} ...", step.name());
        run_step(step, required, ground).with_context(|| format!("ci step {}", step.name()))?;
        eprintln!("ci: {} passed in {:.1} s", step.name(), started.elapsed().as_secs_f64());
    }
    Ok(())
}

fn run_step(step: Step, required: &[Skippable], ground: &Ground) -> Result<()> {
    match step {
        Step::Arrows => arrows::check(&ground.repository),
        Step::Generated => generated::check(ground),
        Step::Format => in_image::format(ground),
        Step::Workflows => workflows::lint(ground),
        Step::Lint => in_image::lint(ground),
        Step::Msrv => msrv::check(ground),
        Step::Repro => repro::prove(ground),
        Step::Inspect => match inspect::check(ground)? {
            None => Ok(()),
            Some(reason) => skip(Skippable::Gallery, reason, required),
        },
        Step::Package => package::check(ground),
        Step::Semver => semver::check(ground),
        Step::Dist => dist::prove(ground),
        Step::Bench => bench::prove(ground),
        Step::Docker => docker::check(required, ground),
        Step::Cross => cross::check(required, ground),
        Step::Fuzz => fuzz::check(required, ground),
        Step::Test => test(required, ground),
        Step::Matrix => {
            let report = ReportFlags { check: true, json: false };
            matrix::run(&MatrixFlags { report, timings: true, ..MatrixFlags::default() }, ground)?;
            matrix::check_in_parts(MACHINES, ground)
        }
    }
}

/// `cargo xtask test`: the tests of the whole workspace, with the cargo that runs this.
pub(crate) fn test(required: &[Skippable], ground: &Ground) -> Result<()> {
    let services = services_for_tests(required, ground)?;
    let cargo =
        |args: &[&str]| process::run_shown(cargo(&ground.repository).args(args).envs(services.clone()));
    // All of what fails, not the first only: a run takes long.
    cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])?;
    match ground.engine([])?.check(engine::native()) {
        Ok(()) => in_image::test(ground)?,
        Err(reason) => eprintln!("skipped: the tests of peers ({reason})"),
    }
    // Only this test needs a C++ compiler, which the lab itself does without.
    if has_cxx() {
        cargo(&["test", "--locked", "--package", "plugin-abi", "--test", "it", "--", "--ignored"])
    } else {
        skip(Skippable::Header, "no `c++` here; install g++", required)
    }
}

/// The cargo that runs this, in `folder`.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// Whether this machine has a compiler for C++, which nothing that users run needs.
fn has_cxx() -> bool {
    Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Variables for tests that start services from images: which xtask does it, and whether one that does not start is a failure.
fn services_for_tests(required: &[Skippable], ground: &Ground) -> Result<Vec<(&'static str, OsString)>> {
    let xtask = std::env::current_exe().context("cannot name this program")?;
    let mut variables = vec![("DYNLAB_XTASK", xtask.into_os_string())];
    match ground.engine([])?.check(engine::native()) {
        Ok(()) => {
            for name in SERVICES {
                ground.image(name)?;
            }
            variables.push(("DYNLAB_SERVICES_REQUIRED", "1".into()));
            // Emulation is one thing more that a machine may lack.
            if let Err(reason) = ground.engine([Arch::Aarch64])?.check(Arch::Aarch64) {
                variables.push(("DYNLAB_NO_EMULATION", reason.to_string().into()));
            }
        }
        Err(reason) => {
            skip(Skippable::Services, reason, required)?;
            variables.push(("DYNLAB_SERVICES_REQUIRED", "0".into()));
        }
    }
    Ok(variables)
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
