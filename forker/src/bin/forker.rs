//! Looks at a master, and asks it for things, by its status socket.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use rustix::process::{Pid, Signal, kill_process};

/// Looks at the master of a service, and asks it for things.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows the service and its workers.
    Status {
        /// The JSON as the master gives it.
        #[arg(long)]
        json: bool,
        /// The master's status socket.
        socket: PathBuf,
    },
    /// Replaces all workers, one after the other, by ones of the program as it now lies on disk (SIGHUP).
    Reload(Target),
    /// Starts one more worker (SIGTTIN).
    More(Target),
    /// Ends one worker (SIGTTOU).
    Fewer(Target),
    /// Has logs opened anew (SIGUSR1).
    Reopen(Target),
    /// Starts a new master, which takes over (SIGUSR2).
    HandOver(Target),
    /// Ends the service when what has begun is finished (SIGTERM).
    Stop(Target),
    /// Ends the service at once (SIGQUIT).
    Quit(Target),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The master's status socket.
    socket: PathBuf,
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> Result<()> {
    match flags.verb {
        Verb::Status { json, socket } => show(&socket, json),
        Verb::Reload(target) => send(&target, Signal::HUP),
        Verb::More(target) => send(&target, Signal::TTIN),
        Verb::Fewer(target) => send(&target, Signal::TTOU),
        Verb::Reopen(target) => send(&target, Signal::USR1),
        Verb::HandOver(target) => send(&target, Signal::USR2),
        Verb::Stop(target) => send(&target, Signal::TERM),
        Verb::Quit(target) => send(&target, Signal::QUIT),
    }
}

fn show(socket: &Path, json: bool) -> Result<()> {
    let (text, _) = ask(socket)?;
    let text = if json {
        text
    } else {
        let status = serde_json::from_slice(&text).context("what answers there is no master")?;
        forker::status::table(&status).into_bytes()
    };
    match io::stdout().write_all(&text) {
        // Whoever closed our output has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn send(target: &Target, signal: Signal) -> Result<()> {
    let (_, master) = ask(&target.socket)?;
    let master = i32::try_from(master).ok().and_then(Pid::from_raw);
    let Some(master) = master else {
        bail!("the master lives where its process id cannot be seen from here")
    };
    kill_process(master, signal).with_context(|| format!("cannot signal process {master:?}"))
}

fn ask(socket: &Path) -> Result<(Vec<u8>, u32)> {
    forker::status::ask_text(socket).with_context(|| format!("no master answers at {}", socket.display()))
}
