//! Checks that are made by the pinned tools of the toolchain image, so that every machine finds the same.

use anyhow::Result;

use crate::build::{self, Workshop, nginx};
use crate::ground::Ground;

/// rustfmt over the workspace, and over that of the nginx module.
pub(crate) fn format(ground: &Ground) -> Result<()> {
    in_toolchain(ground, &["/usr/bin/cargo", "fmt", "--all", "--check"], &[])?;
    nginx::format(ground)
}

/// clippy over every target of the workspace, then rustdoc, with warnings denied; clippy over the nginx module.
pub(crate) fn lint(ground: &Ground) -> Result<()> {
    in_toolchain(
        ground,
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
    in_toolchain(
        ground,
        &["/usr/bin/cargo", "doc", "--workspace", "--no-deps", "--locked", "--offline"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    nginx::lint(ground)
}

fn in_toolchain(ground: &Ground, argv: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let engine = ground.engine([])?;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    let workshop = Workshop { ground, engine: engine.as_ref(), toolchain: &toolchain };
    build::run_cargo(&workshop, argv, env)
}
