//! Checks that are made by the pinned tools of the toolchain image, so that every machine finds the same.

use anyhow::Result;

use crate::build::{self, Workshop, nginx, stable_abi};
use crate::ground::Ground;

/// rustfmt over the workspace, and over those of the nginx module and of peers.
pub(crate) fn format(ground: &Ground) -> Result<()> {
    in_toolchain(ground, |workshop| {
        build::run_cargo(workshop, &["/usr/bin/cargo", "fmt", "--all", "--check"], &[])?;
        stable_abi::format(workshop)
    })?;
    nginx::format(ground)
}

/// clippy over every target of the workspace, then rustdoc, with warnings denied; clippy over peers and the nginx module.
pub(crate) fn lint(ground: &Ground) -> Result<()> {
    in_toolchain(ground, |workshop| {
        build::run_cargo(
            workshop,
            &[
                "/usr/bin/cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--offline",
                "--",
                "-D",
                "warnings",
            ],
            &[],
        )?;
        build::run_cargo(
            workshop,
            &["/usr/bin/cargo", "doc", "--workspace", "--no-deps", "--locked", "--offline"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        )?;
        stable_abi::lint(workshop)
    })?;
    nginx::lint(ground)
}

/// The tests of peers, which are no part of the workspace.
pub(crate) fn test(ground: &Ground) -> Result<()> {
    in_toolchain(ground, stable_abi::test)
}

fn in_toolchain(ground: &Ground, check: impl FnOnce(&Workshop<'_>) -> Result<()>) -> Result<()> {
    let engine = ground.engine([])?;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    check(&Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain })
}
