//! `cargo xtask`: builds the images and artifacts of the lab, judges and observes every pair, and renders the reports.
//!
//! This process never loads a plugin; `plugin-probe` does, inside a host image.
#![forbid(unsafe_code)]

mod error;
mod flags;
mod lab;
mod paths;

use std::process::ExitCode;

use clap::Parser;

use crate::error::Stop;
use crate::flags::{Cli, Verb};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(Stop::exit_code_of(&error))
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.verb {
        Verb::Lab => {
            let lab = lab::Lab::read(&paths::repository()?)?;
            println!("{} hosts, {} artifacts", lab.hosts.len(), lab.artifacts.len());
            Ok(())
        }
    }
}
