//! cross must make the very files that xtask makes.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use super::skip::{Skippable, skip};
use crate::build::cross;
use crate::engine::docker_engine;
use crate::ground::Ground;
use crate::process;

/// One target of each C library, on different architectures. All four take too long for every push, and each has to be compiled anew.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];
/// A program, and plugins with and without crates of others, C sources among them.
const ONLY: [&str; 3] = ["plugin-probe", "ip", "compress"];

/// Builds [`ONLY`] for [`TARGETS`] via cross and without it, and compares.
///
/// An engine is installed and started where there is none. Who may not do that, or has no rustup, gets a line that says what was skipped.
///
/// # Errors
/// Files that differ; something is missing, and it is `required`.
pub(super) fn check(required: &[Skippable], ground: &Ground) -> Result<()> {
    if let Some(reason) =
        docker_engine::cannot_ensure().or_else(|| cross::check().err().map(|error| error.to_string()))
    {
        return skip(Skippable::Cross, reason, required);
    }
    let daemon = docker_engine::ensure_engine(&ground.cache)?;
    let mut command = Command::new(env::current_exe().context("cannot name this program")?);
    command.args(["--locked", "build", "--via", "cross", "--check"]).current_dir(&ground.repository);
    command.args(TARGETS.iter().flat_map(|target| ["--target", target]));
    command.args(ONLY.iter().flat_map(|name| ["--only", name]));
    if let Some(address) = daemon.host() {
        command.env("DOCKER_HOST", address);
    }
    process::run_shown(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Lab, Libc};

    #[test]
    fn what_is_built_is_in_the_lab_and_covers_both_c_libraries() {
        let lab = Lab::read(&crate::paths::repository().unwrap()).unwrap();
        let targets = lab.select_targets(&TARGETS.map(str::to_owned)).unwrap();
        assert!([Libc::Gnu, Libc::Musl].iter().all(|libc| targets.iter().any(|target| target.libc == *libc)));
        let programs = lab.programs.iter().map(|program| &program.name);
        let names: Vec<&String> =
            programs.chain(lab.artifacts.iter().map(|artifact| &artifact.name)).collect();
        assert!(ONLY.iter().all(|wanted| names.iter().any(|name| name == wanted)), "{names:?}");
    }
}
