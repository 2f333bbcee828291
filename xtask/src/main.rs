//! `cargo xtask`: builds the images and artifacts of the lab, judges and observes every pair, and renders the reports.
//!
//! This process never loads a plugin; `plugin-probe` does, inside a host image.
#![forbid(unsafe_code)]

mod atomic;
mod bench;
mod build;
mod cache_use;
mod ci;
mod codegen;
mod columns;
mod difference;
mod dist;
mod doctor;
mod engine;
mod error;
mod exec;
mod flags;
mod ground;
mod image;
mod images;
mod inspect;
mod lab;
mod matrix;
mod paths;
mod process;
mod progress;
mod release;
mod rendered;
mod repro;
mod workers;
mod worktree;

use std::process::ExitCode;

use clap::Parser;

use crate::error::Stop;
use crate::flags::{Cli, Verb};
use crate::ground::Ground;

fn main() -> ExitCode {
    if let Some(code) = engine::run_if_reexecuted().or_else(repro::run_if_reexecuted) {
        return code;
    }
    let cli = Cli::parse();
    let outcome = run(&cli);
    engine::give_way_to_interrupt();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(Stop::exit_code_of(&error))
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    engine::handle_interrupts()?;
    let ground = Ground::survey(&cli.ground)?;
    match &cli.verb {
        Verb::Matrix(flags) => matrix::command(flags, &ground),
        Verb::Build(flags) => build::run(flags, &ground),
        Verb::Nginx(flags) => build::nginx::run(flags, &ground),
        Verb::Release(flags) => release::run(flags, &ground),
        Verb::Dist(flags) => dist::run(flags, &ground),
        Verb::Bench(flags) => bench::run(flags, &ground),
        Verb::Images(verb) => images::run(&ground.images, &ground.cache_use, verb),
        Verb::Repro(flags) => repro::run(flags, &ground),
        Verb::Test => ci::test(&[], &ground),
        Verb::Ci { steps, require } => ci::run(steps, require, &ground),
        Verb::Codegen { check } => codegen::run(*check),
        Verb::Api { released } => ci::semver::write(*released, &ground),
        Verb::Doctor(flags) => doctor::run(flags, &ground),
        Verb::WithDocker { argv } => engine::docker_engine::run_with(argv, &ground.cache),
        Verb::Inspect(flags) => inspect::run(flags, &ground),
        Verb::Exec(flags) => exec::run(&ground, flags),
    }
}
