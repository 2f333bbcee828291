//! Every flag of `cargo xtask`. The doc comments are the help texts.

use clap::{Parser, Subcommand};

/// Builds matched hosts and plugins in pinned images, checks every pair, and renders the reports.
///
/// Exit codes: 0 all is as expected; 1 something disagrees or is stale; 2 bad input, or this machine lacks something
/// (the message names the cure); 3 some cells could not be run here; 130 interrupted.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Shows what lab.toml holds.
    Lab,
}
