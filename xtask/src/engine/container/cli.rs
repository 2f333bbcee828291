//! The command lines of docker and podman.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::process;

/// Which command is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `docker`, which speaks to an engine.
    Docker,
    /// `podman`, which is one.
    Podman,
}

/// Starts the command, always with the same surroundings.
pub(super) struct Cli {
    program: Program,
    /// Where it lies, so that it is found even when its own PATH is taken away.
    file: PathBuf,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::Docker => "docker",
            Program::Podman => "podman",
        }
    }
}

impl Cli {
    pub(super) fn new(program: Program) -> Cli {
        let name = program.name();
        let folders = env::var_os("PATH").unwrap_or_default();
        let file = env::split_paths(&folders).map(|folder| folder.join(name)).find(|file| file.is_file());
        Cli { program, file: file.unwrap_or_else(|| name.into()) }
    }

    pub(super) fn program(&self) -> Program {
        self.program
    }

    pub(super) fn name(&self) -> &'static str {
        self.program.name()
    }

    /// The command with `words`.
    pub(super) fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.file);
        command.args(words).stdin(Stdio::null());
        // Ctrl-C is for xtask alone, which then stops the container in order.
        command.process_group(0);
        command
    }

    /// Removes a container with whatever runs in it. Unlike [`Cli::run`] this goes on during an interrupt.
    pub(super) fn remove(&self, container: &str) {
        let mut remove = self.command(["rm", "--force", "--volumes"]);
        if self.program == Program::Podman {
            // docker kills at once, podman asks first and waits for ten seconds.
            remove.arg("--time=0");
        }
        // Nothing can be done about a failure; the next run removes what is left.
        let _ = remove.arg(container).output();
    }

    /// Runs the command to its end and gives its stdout.
    pub(super) fn run(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        let output = process::run(&mut self.command(words))?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}
