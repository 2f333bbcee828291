//! The docker engine must come to the same report as the sandbox.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use super::skip::{Skippable, skip};
use crate::engine::{self, docker_engine};
use crate::ground::Ground;
use crate::lab::Lab;
use crate::process;

/// Crates whose tests start services, or the release image.
const SERVICE_TESTS: &[&str] = &["test-services", "redis-cache", "fib-demo", "backend", "backend-entry"];

/// Runs the matrix with docker, in the hosts of this machine's own architecture: others would need an emulator registered for the whole
/// machine, which is not for a check to do. Then the tests that start services, with these in docker, too.
///
/// An engine is installed and started where there is none. Who may not do that gets a line that says what was skipped.
///
/// # Errors
/// A report that differs, a test that fails; there can be no engine, and it is `required`.
pub(crate) fn check(required: &[Skippable], ground: &Ground) -> Result<()> {
    if let Some(reason) = docker_engine::cannot_ensure() {
        return skip(Skippable::Docker, reason, required);
    }
    let daemon = docker_engine::ensure_engine(&ground.cache)?;
    let lab = Lab::read(&ground.repository)?;
    let mut command = Command::new(env::current_exe().context("cannot name this program")?);
    command.args(["--engine", "docker", "--locked", "matrix", "--check"]).current_dir(&ground.repository);
    for host in lab.hosts.iter().filter(|host| engine::is_native(host.arch)) {
        command.args(["--host", &host.name]);
    }
    if let Some(address) = daemon.host() {
        command.env("DOCKER_HOST", address);
    }
    process::run_shown(&mut command)?;
    let mut tests = super::cargo(&ground.repository);
    tests.args(["test", "--locked", "--features", "test-services/docker", "--test", "it"]);
    for package in SERVICE_TESTS {
        tests.args(["--package", package]);
    }
    tests.envs(super::services_for_tests(required, ground)?).env("DYNLAB_TEST_DOCKER", "1");
    if let Some(address) = daemon.host() {
        tests.env("DOCKER_HOST", address);
    }
    process::run_shown(&mut tests)
}
