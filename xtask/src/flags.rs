//! Every flag of `cargo xtask`. The doc comments are the help texts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::engine::{EngineChoice, Mount};
use crate::lab::Arch;

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
    /// Writes the files that are generated from sources, such as the C header of the contract.
    Codegen {
        /// Writes nothing; fails if a generated file is stale.
        #[arg(long)]
        check: bool,
    },
    /// Shows what lab.toml holds.
    Lab,
    /// Runs one program inside an image, just as builds and probes are run.
    ///
    /// Ends with the program's own exit code, 128 + signal if it was killed by one, 124 if its deadline passed.
    Exec(ExecFlags),
    /// Makes, checks and renews the images that everything is built and probed in.
    Images(ImagesFlags),
}

#[derive(Args)]
pub(crate) struct ImagesFlags {
    #[command(subcommand)]
    pub(crate) verb: ImagesVerb,
    /// The Debian mirror; without it this machine's apt configuration decides.
    #[arg(long, global = true, env = "DYNLAB_MIRROR", value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Where packages that have left the mirror are found.
    #[arg(long, global = true, env = "DYNLAB_SNAPSHOT_MIRROR", value_name = "URL")]
    pub(crate) snapshot_mirror: Option<String>,
    /// Refuses packages other than the locked ones, even if these are nowhere to be had any more.
    #[arg(long, global = true)]
    pub(crate) locked: bool,
}

#[derive(Subcommand)]
pub(crate) enum ImagesVerb {
    /// Fetches and assembles images as their locks say.
    Build {
        /// Images by name; all if none is given.
        names: Vec<String>,
    },
    /// Resolves definitions against the archive as it is now and writes the locks.
    Lock {
        /// Images by name; all if none is given.
        names: Vec<String>,
        /// Keeps the locked packages and finds only the image's digest anew.
        #[arg(long)]
        keep_packages: bool,
    },
}

#[derive(Args)]
pub(crate) struct ExecFlags {
    /// The root file system to run in: the folder of an unpacked image.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) rootfs: PathBuf,
    /// The architecture of its programs.
    #[arg(long, value_enum, default_value = "x86_64")]
    pub(crate) arch: Arch,
    /// What runs it.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
    /// A static qemu-aarch64, for aarch64 programs on another machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) emulator: Option<PathBuf>,
    /// Shows SOURCE of this machine at TARGET; `:rw` lets the program write to it. May be repeated.
    #[arg(long = "mount", value_name = "SOURCE:TARGET[:rw]", value_parser = parse_mount)]
    pub(crate) mounts: Vec<Mount>,
    /// A variable of the otherwise empty environment. May be repeated.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub(crate) env: Vec<(String, OsString)>,
    /// The working directory inside the image.
    #[arg(long, default_value = "/", value_name = "FOLDER")]
    pub(crate) cwd: String,
    /// Seconds after which the program and all its children are killed.
    #[arg(long, default_value_t = 600.0, value_name = "SECONDS")]
    pub(crate) deadline: f64,
    /// The program, an absolute path inside the image, and its arguments.
    #[arg(required = true, last = true)]
    pub(crate) argv: Vec<OsString>,
}

fn parse_mount(text: &str) -> Result<Mount, String> {
    let (rest, writable) = text.strip_suffix(":rw").map_or((text, false), |rest| (rest, true));
    let (source, target) = rest.split_once(':').ok_or("expected SOURCE:TARGET or SOURCE:TARGET:rw")?;
    Ok(Mount { source: source.into(), target: target.into(), writable })
}

fn parse_variable(text: &str) -> Result<(String, OsString), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.into(), value.into()))
}
