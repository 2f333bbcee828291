//! Every flag of `cargo xtask`. The doc comments are the help texts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::SuiteName;
use crate::ci::{Skippable, Step};
use crate::engine::{EngineChoice, Mount};
use crate::lab::Arch;
use crate::matrix::Shard;
use crate::repro::Part;

/// Builds matched hosts and plugins in pinned images, checks every pair, renders the reports.
///
/// Exit codes: 0 all is as expected; 1 something disagrees or is stale; 2 bad input, or this machine lacks something (the
/// message names the cure); 3 some cells could not be run here; 130 interrupted.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", term_width = 80)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) ground: GroundFlags,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where images come from and what runs them.
#[derive(Args)]
pub(crate) struct GroundFlags {
    /// What runs compilers and probes.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "DYNLAB_ENGINE",
        help_heading = "Images and engines"
    )]
    pub(crate) engine: EngineChoice,
    /// Debian mirror, as http://… up to and without `dists`; default: the machine's apt configuration.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DYNLAB_MIRROR",
        help_heading = "Images and engines"
    )]
    pub(crate) mirror: Option<String>,
    /// A mirror that keeps old packages; asked when a locked package has left the ordinary one.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DYNLAB_SNAPSHOT_MIRROR",
        help_heading = "Images and engines"
    )]
    pub(crate) snapshot_mirror: Option<String>,
    /// Refuse to run with any image that is not the one in its lock.
    #[arg(long, global = true, help_heading = "Images and engines")]
    pub(crate) locked: bool,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Builds everything, loads every plugin in every host image, writes bench-results/matrix/.
    #[command(args_conflicts_with_subcommands = true)]
    Matrix(MatrixFlags),
    /// Builds all programs, plugins and fixtures into `dist/TARGET/`.
    Build(BuildFlags),
    /// Builds the nginx module for every nginx into `dist/TARGET/nginx-VERSION/`.
    Nginx(NginxFlags),
    /// Makes the release image of ngx-backend: nginx, the module, the resolvers, the daemon and the entry point.
    ///
    /// Prints its tag, digest, size in bytes, its archive for `docker load` (below `dist/TARGET/ngx-backend/`) and its root file system.
    Release(ReleaseFlags),
    /// Writes an archive for each target into `target/dist/`, with its bill of materials (CycloneDX) and the SHA-256 sums of all.
    ///
    /// Prints the length in bytes and the path of each file. What lay in that folder before is gone then.
    Dist(DistFlags),
    /// Measures, in pairs; or renders, checks and compares runs.
    ///
    /// Writes bench-results/runs/DATE-MACHINE-TARGET/ and the index of runs; with --quick, target/bench/.
    #[command(args_conflicts_with_subcommands = true)]
    Bench(BenchFlags),
    /// Makes, locks, verifies and exports the pinned images.
    #[command(subcommand)]
    Images(ImagesVerb),
    /// Builds twice, the second time as another user in another folder with all else that can be changed, and compares byte by byte.
    ///
    /// Exit codes: 0 everything is the same; 1 something differs, and the section, member, value or line is shown with what it comes from; 2
    /// something could not be built, and the rest is the same.
    Repro(ReproFlags),
    /// Runs the tests of the workspace.
    Test,
    /// Runs what CI runs; all steps, or those named.
    Ci {
        /// Steps to run, in the order given.
        #[arg(value_enum)]
        steps: Vec<Step>,
        /// Checks that are to fail where this machine lacks something for them, instead of being skipped; several with commas between.
        #[arg(long, value_enum, value_name = "CHECK", value_delimiter = ',', env = "DYNLAB_REQUIRE")]
        require: Vec<Skippable>,
    },
    /// Writes generated sources (the C header of the contract, and Cross.toml).
    Codegen {
        /// Compare instead of writing; exit code 1 when a file is stale.
        #[arg(long)]
        check: bool,
    },
    /// Writes down the public items of what is published (`api.txt`), which `ci semver` compares with.
    Api {
        /// Say that these are what people have from now on; for each release.
        #[arg(long)]
        released: bool,
    },
    /// Shows what this machine has and lacks for the matrix, each with the command that mends it.
    ///
    /// Exit codes: 0 the whole matrix can run; 2 something is missing without which nothing runs; 3 some cells cannot run.
    Doctor(DoctorFlags),
    /// Runs a command with a docker engine to talk to, started for it where the machine has none.
    ///
    /// Starting one needs root; docker.io is installed with apt-get if it is missing.
    WithDocker {
        /// The command; finds the engine through DOCKER_HOST.
        #[arg(required = true, last = true)]
        argv: Vec<OsString>,
    },
    /// Judges any shared object, whoever built it: where it loads, what it needs of whom, how it is hardened.
    ///
    /// Exit codes: 0 it loads in every host that it is for, whatever the judge warns of; 1 it does not load in one, or an
    /// observation is not what was predicted; 2 bad input; 3 it could not be observed here. It is for hosts of its own
    /// architecture, and of its own C library unless hosts are named; for all where it is for none of them.
    Inspect(InspectFlags),
    /// Runs one program inside an image, just as builds and probes are run.
    ///
    /// Ends with the program's own exit code, 128 + signal if it was killed by one, 124 if its deadline passed.
    Exec(ExecFlags),
}

#[derive(Args, Default)]
pub(crate) struct BenchFlags {
    #[command(subcommand)]
    pub(crate) verb: Option<BenchVerb>,
    /// Only this suite; may be repeated.
    #[arg(long = "suite", value_enum, value_name = "NAME")]
    pub(crate) suites: Vec<SuiteName>,
    /// Shorter than three minutes: proves that everything runs, and measures nothing.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print at the end which promised figures are met, not met, or within the noise.
    #[arg(long)]
    pub(crate) goals: bool,
    /// How many rounds, in each of which every subject is measured once. Default: 10, fewest that have an interval: 6; with --quick 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) pairs: Option<u32>,
    /// What this repository's programs are built for. Default: this machine's own architecture, with glibc.
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<String>,
    /// Cores that servers run on, as 0,1. Default: the first half.
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) server_cores: Vec<usize>,
    /// Cores that what loads them runs on. Default: the other half.
    #[arg(long, value_name = "CORES", value_delimiter = ',')]
    pub(crate) generator_cores: Vec<usize>,
    /// What the machine is called in the run's name. Default: after its processor.
    #[arg(long, value_name = "NAME", value_parser = parse_machine)]
    pub(crate) machine: Option<String>,
    /// Write the run to this folder instead.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

impl BenchFlags {
    /// The command line as runs record it: without what is of this machine alone.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = vec!["bench".to_owned()];
        for suite in &self.suites {
            words.extend(["--suite".to_owned(), suite.name()]);
        }
        if self.quick {
            words.push("--quick".to_owned());
        }
        let cores = |cores: &[usize]| {
            let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
            (!cores.is_empty()).then(|| cores.join(","))
        };
        let with_values = [
            ("--pairs", self.pairs.map(|pairs| pairs.to_string())),
            ("--target", self.target.clone()),
            ("--server-cores", cores(&self.server_cores)),
            ("--generator-cores", cores(&self.generator_cores)),
        ];
        for (flag, value) in with_values {
            words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        }
        words
    }
}

#[derive(Subcommand)]
pub(crate) enum BenchVerb {
    /// Renders pages, plots and the index of all committed runs from their raw samples.
    Render,
    /// Renders them again and compares; exit code 1 when something is stale.
    Check,
    /// Prints each promised figure, what a run measured of it, and whether that meets it.
    Goals {
        /// A committed run by its name, or the folder of one.
        run: String,
    },
    /// Sets the subjects of one run against the same ones of another.
    Compare {
        /// A committed run by its name, or the folder of one.
        old: String,
        /// Another.
        new: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum ImagesVerb {
    /// Fetches and assembles images as their locks say.
    Build {
        /// Images by name; all if none is given.
        names: Vec<String>,
    },
    /// Makes images once more from their locked files and compares; exit code 1 when one comes out different.
    Verify {
        /// Images by name; all if none is given.
        names: Vec<String>,
        /// Another cache, which has the images of the locks to compare with where this one does not.
        #[arg(long, value_name = "FOLDER")]
        beside: Option<PathBuf>,
    },
    /// Writes an image as an archive for `docker load` or `podman load`.
    Export {
        /// The image.
        name: String,
        /// The archive to write.
        file: PathBuf,
    },
    /// Gives docker an image, for programs that name it by its digest.
    Load {
        /// The image.
        name: String,
    },
    /// Shows what is defined, locked, cached and unpacked.
    List,
    /// Resolves definitions against the archive as it is now and writes the locks.
    Lock {
        /// Images by name; all if none is given.
        names: Vec<String>,
        /// Keeps the locked packages and finds only the image's digest anew.
        #[arg(long)]
        keep_packages: bool,
        /// Take what the mirror says also where its signature cannot be checked, for want of gpgv or of Debian's keys.
        #[arg(long)]
        unsigned: bool,
    },
    /// Removes from the cache what no lock of this repository names and no clone has used for a while: unpacked images, sources of crates,
    /// observations.
    ///
    /// Downloaded packages stay. Refuses while another xtask uses the cache.
    Prune(PruneFlags),
}

#[derive(Args)]
pub(crate) struct PruneFlags {
    /// Only say what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// For how many days at least it was not used.
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    pub(crate) older_than: u32,
}

#[derive(Args, Default)]
pub(crate) struct MatrixFlags {
    #[command(subcommand)]
    pub(crate) verb: Option<MatrixVerb>,
    /// Only this host, or those of a pattern as '*-aarch64-*'; may be repeated. The committed report stays as it is.
    #[arg(long = "host", value_name = "SUITE-ARCH-LIBC")]
    pub(crate) hosts: Vec<String>,
    /// Only artifacts of this target; may be repeated. The committed report stays as it is.
    #[arg(long = "target", value_name = "TRIPLE")]
    pub(crate) targets: Vec<String>,
    /// Only part I of N of the hosts, so that machines can share a run. With --json it prints what `merge` reads.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    #[command(flatten)]
    pub(crate) report: ReportFlags,
    /// Print how long each part took (on stderr; reports hold no times).
    #[arg(long)]
    pub(crate) timings: bool,
}

/// What becomes of the report.
#[derive(Args, Default)]
pub(crate) struct ReportFlags {
    /// Compare with the committed report instead of writing it; exit code 1 when it is stale.
    #[arg(long)]
    pub(crate) check: bool,
    /// Print the report as JSON instead of the summary.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum MatrixVerb {
    /// Writes what is rendered from the committed matrix.json; runs nothing.
    Render,
    /// Puts the reports of parts together, as if one machine had run everything; runs nothing itself.
    Merge {
        /// What runs with --json printed, together of all hosts.
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        #[command(flatten)]
        report: ReportFlags,
    },
}

#[derive(Args)]
pub(crate) struct BuildFlags {
    /// Only this target; may be repeated.
    #[arg(long = "target", value_name = "TRIPLE")]
    pub(crate) targets: Vec<String>,
    /// Have another program run the compiler, in docker; what it makes goes into `dist/TARGET/cross/`.
    #[arg(long, value_enum)]
    pub(crate) via: Option<Via>,
    /// Only this program or Rust plugin, by its name in lab.toml; may be repeated.
    #[arg(long, value_name = "NAME", requires = "via")]
    pub(crate) only: Vec<String>,
    /// Build the same without that program and compare; exit code 1 when a byte differs.
    #[arg(long, requires = "via")]
    pub(crate) check: bool,
}

/// What else can run the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// `cross`, pinned and installed below `target/`, with the image that Cross.toml names.
    Cross,
}

#[derive(Args)]
pub(crate) struct NginxFlags {
    /// Only for this nginx of lab.toml.
    #[arg(long, value_name = "VERSION")]
    pub(crate) nginx: Option<String>,
    /// Only for this architecture.
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
}

#[derive(Args)]
pub(crate) struct ReleaseFlags {
    /// For this architecture; may be repeated. Default: that of this machine.
    #[arg(long = "arch", value_enum, value_name = "ARCH")]
    pub(crate) arches: Vec<Arch>,
}

/// What is built twice, and where.
#[derive(Args, Default)]
pub(crate) struct ReproFlags {
    /// Take what this clone has built for the first build, and build once more. Default: both from nothing.
    #[arg(long)]
    pub(crate) once: bool,
    /// Only this part; may be repeated.
    #[arg(long = "part", value_enum, value_name = "PART")]
    pub(crate) parts: Vec<Part>,
    /// Only this target; may be repeated. Leaves out the matrix and what is inspected.
    #[arg(long = "target", value_name = "TRIPLE")]
    pub(crate) targets: Vec<String>,
    /// Of images only this one; may be repeated.
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) images: Vec<String>,
    /// Where the builds lie. Default: where temporary files do, the second in memory (/dev/shm) if there is plenty.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) scratch: Option<PathBuf>,
    /// Leave the builds there, to look at.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args)]
pub(crate) struct DistFlags {
    /// Only for this target, or those of a pattern as '*-musl'; may be repeated.
    #[arg(long = "target", value_name = "TRIPLE")]
    pub(crate) targets: Vec<String>,
}

#[derive(Args)]
pub(crate) struct DoctorFlags {
    /// As root: makes aarch64 programs run on this machine (binfmt_misc) if the engine needs that.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct InspectFlags {
    /// The files.
    #[arg(required_unless_present_any = ["schema", "gallery"], value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only for this host image; may be repeated. Default: all of them, or none where --rootfs is given.
    #[arg(long = "host", value_name = "SUITE-ARCH-LIBC")]
    pub(crate) hosts: Vec<String>,
    /// For this unpacked root file system; may be repeated. Files that lie in it are opened where they lie.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) rootfs: Vec<PathBuf>,
    /// The program that opens the files, and whose symbols they may use; only hosts of its own kind are looked at.
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Also open the files in those hosts, with their loaders, in a sandbox, and compare.
    #[arg(long)]
    pub(crate) observe: bool,
    /// Print all that was found as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print what speaks against the files as SARIF 2.1.0, for code scanning.
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
    /// Inspect what it is measured on instead: every shared object in the images gallery-*, in all hosts and in those images.
    ///
    /// Opens them, and writes bench-results/inspect/ where at least 99.5 % agree and every disagreement is explained.
    #[arg(long, conflicts_with_all = ["files", "hosts", "rootfs", "program", "json", "sarif"])]
    pub(crate) gallery: bool,
    /// Predict every cell of --gallery once more and compare with the committed report; opens and writes nothing.
    #[arg(long, requires = "gallery")]
    pub(crate) check: bool,
    /// Print the JSON Schema of what --json prints, or of what --gallery writes, and inspect nothing.
    #[arg(long)]
    pub(crate) schema: bool,
}

#[derive(Args)]
pub(crate) struct ExecFlags {
    /// The image to run in, by name; made if the cache does not have it.
    #[arg(long, value_name = "NAME", required_unless_present = "rootfs")]
    pub(crate) image: Option<String>,
    /// Run in this root file system instead.
    #[arg(long, value_name = "FOLDER", conflicts_with = "image")]
    pub(crate) rootfs: Option<PathBuf>,
    /// The architecture of the programs in --rootfs.
    #[arg(long, value_enum, default_value = "x86_64", requires = "rootfs")]
    pub(crate) arch: Arch,
    /// A static qemu-aarch64 for the aarch64 programs in --rootfs.
    #[arg(long, value_name = "FILE", requires = "rootfs")]
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
    /// Kill the program when stdin ends, so that it does not outlive whoever holds the other end; exit code 143.
    #[arg(long)]
    pub(crate) until_stdin_ends: bool,
    /// The program, an absolute path inside the image, and its arguments.
    #[arg(required = true, last = true)]
    pub(crate) argv: Vec<OsString>,
}

fn parse_mount(text: &str) -> Result<Mount, String> {
    let (rest, writable) = text.strip_suffix(":rw").map_or((text, false), |rest| (rest, true));
    let (source, target) = rest.split_once(':').ok_or("expected SOURCE:TARGET or SOURCE:TARGET:rw")?;
    Ok(Mount { source: source.into(), target: target.into(), writable })
}

/// It becomes part of a folder's name.
fn parse_machine(text: &str) -> Result<String, String> {
    let fits = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    if text.is_empty() || !text.chars().all(fits) {
        return Err("expected small letters, digits and hyphens".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_variable(text: &str) -> Result<(String, OsString), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.into(), value.into()))
}
