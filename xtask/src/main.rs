//! `cargo xtask`: builds the images and artifacts of the lab, judges and observes every pair, and renders the reports.
//!
//! This process never loads a plugin; `plugin-probe` does, inside a host image.
#![forbid(unsafe_code)]

mod codegen;
mod engine;
mod error;
mod exec;
mod flags;
mod image;
mod images;
mod lab;
mod paths;

use std::process::ExitCode;

use clap::Parser;

use crate::error::Stop;
use crate::flags::{Cli, Verb};

fn main() -> ExitCode {
    if let Some(code) = engine::run_if_reexecuted() {
        return code;
    }
    let cli = Cli::parse();
    let outcome = run(cli);
    engine::give_way_to_interrupt();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(Stop::exit_code_of(&error))
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    engine::handle_interrupts()?;
    match cli.verb {
        Verb::Exec(flags) => exec::run(&flags),
        Verb::Codegen { check } => codegen::run(check),
        Verb::Images(flags) => images::run(&flags),
        Verb::Lab => {
            let lab = lab::Lab::read(&paths::repository()?)?;
            println!("{} hosts, {} artifacts", lab.hosts.len(), lab.artifacts.len());
            Ok(())
        }
    }
}
