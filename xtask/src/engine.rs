//! Engines run one program inside an image: no network, a read-only root, nothing inherited, dead with its parent.

mod container;
pub(crate) mod docker_engine;
pub(crate) mod emulation;
mod interrupt;
mod output;
mod sandbox;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::lab::Arch;

use container::{Container, Program};
pub(crate) use container::{Loan, lend};
pub(crate) use interrupt::{
    Guard, give_way_to_interrupt, handle_interrupts, interrupted, kill_group_on_interrupt, kill_on_interrupt,
    on_interrupt,
};
pub(crate) use sandbox::{Sandbox, run_if_reexecuted};

/// Runs programs inside images.
///
/// Every engine gives a program the same surroundings: no network but a loopback interface, the image as a read-only
/// root, fresh `/tmp` and `/dev/shm`, `/proc`, a minimal `/dev`, process 1 that reaps orphans, no capabilities, and
/// exactly the environment of the job; only that docker and podman add HOME where the job has none, and podman HOSTNAME.
pub(crate) trait Engine: Send + Sync {
    /// The name that `--engine` takes.
    fn name(&self) -> &'static str;

    /// Whether this machine can run programs of `arch` in this engine. Cheap after the first call.
    ///
    /// # Errors
    /// [`Unavailable`], which says why not and how to mend it.
    fn check(&self, arch: Arch) -> Result<(), Unavailable>;

    /// Runs `job` to its end. On return, for whatever reason, no process of it is left.
    ///
    /// # Errors
    /// [`Unavailable`] in the chain if this machine cannot run the image at all; anything else if the job itself is
    /// wrong, such as a mount whose source is missing. A program that fails is not an error; see [`Exit`].
    fn run(&self, job: &Job<'_>) -> Result<Finished>;
}

/// The choice that `--engine` offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum EngineChoice {
    /// Linux namespaces, without a daemon, as root or as an ordinary user.
    #[default]
    Sandbox,
    /// The docker command and its engine.
    Docker,
    /// The podman command.
    Podman,
}

/// One program to run.
pub(crate) struct Job<'a> {
    /// What the program sees as `/`.
    pub(crate) image: &'a Image,
    /// The program, an absolute path inside the image, and its arguments.
    pub(crate) argv: Vec<OsString>,
    /// The complete environment.
    pub(crate) env: Vec<(String, OsString)>,
    /// The working directory inside the image.
    pub(crate) cwd: String,
    /// Files and folders of this machine that the program sees.
    pub(crate) mounts: Vec<Mount>,
    /// What the program reads on stdin.
    pub(crate) stdin: Vec<u8>,
    /// Wall clock; after it the whole process tree is killed.
    pub(crate) deadline: Duration,
    /// Called with each line of stdout as it comes, without its newline.
    pub(crate) on_stdout_line: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// A file or folder of this machine, shown inside the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Where it lies on this machine.
    pub(crate) source: PathBuf,
    /// Where the program sees it: an absolute path that need not exist in the image.
    pub(crate) target: String,
    /// Whether the program may write to it.
    pub(crate) writable: bool,
}

impl Mount {
    /// `source` at `target`, for a program that only reads it.
    pub(crate) fn read_only(source: impl Into<PathBuf>, target: impl Into<String>) -> Mount {
        Mount { source: source.into(), target: target.into(), writable: false }
    }

    /// `source` at `target`, for a program that writes to it.
    pub(crate) fn writable(source: impl Into<PathBuf>, target: impl Into<String>) -> Mount {
        Mount { source: source.into(), target: target.into(), writable: true }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// It returned this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
    /// It was still running at its deadline.
    DeadlinePassed,
}

/// A program that has ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) exit: Exit,
    /// All of its stdout.
    pub(crate) stdout: Vec<u8>,
    /// All of its stderr.
    pub(crate) stderr: Vec<u8>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::DeadlinePassed => f.write_str("its deadline passed"),
        }
    }
}

/// Why this machine cannot run programs of an architecture in an engine, and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {cure}")]
pub(crate) struct Unavailable {
    /// What is missing or forbidden.
    pub(crate) reason: String,
    /// What mends it, with the command where there is one.
    pub(crate) cure: String,
}

/// The engine of that name; [`Engine::check`] tells whether it works here. `emulator` is the static `qemu-aarch64` of the image `emulator`, if aarch64 programs shall run.
pub(crate) fn select(choice: EngineChoice, emulator: Option<&Path>) -> Result<Box<dyn Engine>> {
    Ok(match choice {
        EngineChoice::Sandbox => Box::new(Sandbox::new(emulator)),
        EngineChoice::Docker => Box::new(Container::new(Program::Docker)),
        EngineChoice::Podman => Box::new(Container::new(Program::Podman)),
    })
}

/// Whether programs of `arch` are this machine's own.
pub(crate) fn is_native(arch: Arch) -> bool {
    arch.to_string() == std::env::consts::ARCH
}

/// The architecture of this machine, as far as the lab knows it.
pub(crate) fn native() -> Arch {
    if is_native(Arch::Aarch64) { Arch::Aarch64 } else { Arch::X86_64 }
}

impl<'a> Job<'a> {
    /// A job with an empty environment and stdin, no mounts, `/` as working directory and ten minutes to end.
    pub(crate) fn new(image: &'a Image, argv: impl IntoIterator<Item = impl Into<OsString>>) -> Job<'a> {
        Job {
            image,
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: "/".into(),
            mounts: Vec::new(),
            stdin: Vec::new(),
            deadline: Duration::from_secs(600),
            on_stdout_line: None,
        }
    }

    /// Program and arguments, for messages.
    fn command_line(&self) -> String {
        self.argv.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}
