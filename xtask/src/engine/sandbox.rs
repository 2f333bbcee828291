//! Namespaces without a daemon: two small processes between xtask and the program.
//!
//! xtask starts itself again as *supervisor*, which is single-threaded and may therefore enter new namespaces; that
//! one starts itself once more as *init*, process 1 of the new process namespace, which lays out the root, gives up
//! every capability, starts the program and reaps orphans. One socket runs between neighbours: orders go down, the
//! report comes up, and its end tells the lower one to stop.
//!
//! The crate hakoniwa was read and not taken: it runs the program as process 1, to which an abort or a CPU limit
//! does nothing or something else; it creates missing mount points inside the image; and it keeps all capabilities
//! when started by root.

mod fault;
mod init;
mod layout;
mod loopback;
mod mounts;
mod namespaces;
mod order;
mod root;
mod supervisor;

use std::ffi::OsString;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::emulation::Emulation;
use super::interrupt::{interrupted, on_interrupt};
use super::{Engine, Finished, Job, Mount, Unavailable, is_native, output};
use crate::lab::Arch;
use fault::Fault;
use order::{IdMapsWritten, Order, Report, Up, receive, send};

/// First argument of xtask started again as supervisor.
const SUPERVISOR: &str = "__sandbox-supervisor";
/// First argument of xtask started again as init.
const INIT: &str = "__sandbox-init";
/// This program's own file; it stays valid when cargo replaces the binary during a run.
const SELF: &str = "/proc/self/exe";

/// The default engine.
pub(crate) struct Sandbox {
    emulator: Option<PathBuf>,
    emulation: OnceLock<Result<Emulation, Unavailable>>,
    native: OnceLock<Result<(), Unavailable>>,
}

/// Does the work of the supervisor or of init if this process was started as one. `main` asks before anything else,
/// while the process has one thread.
pub(crate) fn run_if_reexecuted() -> Option<ExitCode> {
    match std::env::args_os().nth(1)?.to_str()? {
        SUPERVISOR => Some(supervisor::run()),
        INIT => Some(init::run()),
        _ => None,
    }
}

impl Sandbox {
    /// A sandbox that runs aarch64 programs under `emulator`, a static `qemu-aarch64`, where the kernel lets it.
    pub(crate) fn new(emulator: Option<&Path>) -> Sandbox {
        Sandbox { emulator: emulator.map(Into::into), emulation: OnceLock::new(), native: OnceLock::new() }
    }

    fn check_native(&self) -> Result<(), Unavailable> {
        self.native
            .get_or_init(|| match try_order(&Order::rehearsal(None)) {
                Ok(()) => Ok(()),
                Err(error) => Err(namespaces::unavailable(&error)),
            })
            .clone()
    }

    /// How programs of `arch` are run: `None` for those of this machine.
    fn emulation_for(&self, arch: Arch) -> Result<Option<&Emulation>, Unavailable> {
        if is_native(arch) {
            return Ok(None);
        }
        let found = self.emulation.get_or_init(|| {
            Emulation::find(arch, self.emulator.as_deref(), |emulator| {
                try_order(&Order::rehearsal(Some(emulator.to_path_buf()))).map_err(|error| error.to_string())
            })
        });
        found.as_ref().map(Some).map_err(Clone::clone)
    }

    fn order(&self, job: &Job<'_>) -> Result<Order> {
        let emulation = self.emulation_for(job.image.arch)?;
        let program = job.argv.first().context("a job needs a program to run")?;
        ensure!(
            Path::new(program).is_absolute(),
            "program {program:?} must be an absolute path inside the image"
        );
        let rootfs = job.image.rootfs.canonicalize().with_context(|| {
            format!("image {} is not unpacked at {}", job.image.name, job.image.rootfs.display())
        })?;
        Ok(Order {
            rootfs: Some(rootfs),
            argv: job.argv.clone(),
            env: job.env.iter().map(|(name, value)| (OsString::from(name), value.clone())).collect(),
            cwd: PathBuf::from(&job.cwd),
            mounts: resolve_sources(&job.mounts)?,
            emulator: emulation.and_then(Emulation::private_emulator).map(Into::into),
            stdin_len: job.stdin.len(),
            deadline: job.deadline,
        })
    }
}

impl Engine for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn check(&self, arch: Arch) -> Result<(), Unavailable> {
        self.check_native()?;
        self.emulation_for(arch).map(drop)
    }

    fn run(&self, job: &Job<'_>) -> Result<Finished> {
        self.check_native()?;
        let order = self.order(job)?;
        let what = || format!("`{}` in image {}", job.command_line(), job.image.name);
        let on_line = |line: &str| {
            if let Some(callback) = job.on_stdout_line {
                callback(line);
            }
        };
        let (report, stdout, stderr) = execute(&order, &job.stdin, &on_line).with_context(what)?;
        match report {
            Report::Ended(exit) => Ok(Finished { exit, stdout, stderr }),
            Report::Failed(fault) => Err(anyhow!("{fault}").context(what())),
        }
    }
}

/// Runs an order that has no program: all the surroundings are made, and nothing is started in them.
fn try_order(order: &Order) -> Result<(), Fault> {
    match execute(order, &[], &|_| {}) {
        Ok((Report::Ended(_), ..)) => Ok(()),
        Ok((Report::Failed(fault), ..)) => Err(fault),
        Err(error) => Err(Fault::other(format!("{error:#}"))),
    }
}

/// Starts the supervisor, gives it the order and collects what comes back.
fn execute(
    order: &Order,
    stdin: &[u8],
    on_line: &(dyn Fn(&str) + Sync),
) -> Result<(Report, Vec<u8>, Vec<u8>)> {
    let (mut control, theirs) = UnixStream::pair().context("cannot make a socket pair")?;
    let mut supervisor = Command::new(SELF)
        .arg(SUPERVISOR)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for xtask alone, which then stops the job in order.
        .process_group(0)
        .spawn()
        .context("cannot start the sandbox supervisor")?;
    let stop = control.try_clone().context("cannot copy the control socket")?;
    let guard = on_interrupt(move || drop(stop.shutdown(Shutdown::Both)));
    let outcome = converse(&mut supervisor, &mut control, order, stdin, on_line);
    // Harmless after a good end; after an error it makes the supervisor kill what runs.
    let _ = control.shutdown(Shutdown::Both);
    let status = supervisor.wait().context("cannot wait for the sandbox supervisor")?;
    drop(guard);
    if interrupted() {
        bail!("interrupted");
    }
    outcome.with_context(|| format!("the sandbox supervisor ended with {status}"))
}

fn converse(
    supervisor: &mut Child,
    control: &mut UnixStream,
    order: &Order,
    stdin: &[u8],
    on_line: &(dyn Fn(&str) + Sync),
) -> Result<(Report, Vec<u8>, Vec<u8>)> {
    let stop = control.try_clone().context("cannot copy the control socket")?;
    let stop = || drop(stop.shutdown(Shutdown::Both));
    let (stdout, stderr) = (supervisor.stdout.take(), supervisor.stderr.take());
    let id = supervisor.id();
    let (report, stdout, stderr) =
        output::collect(stdout, stderr, on_line, &stop, || send_order(control, order, stdin, id))?;
    let report = report.with_context(|| String::from_utf8_lossy(&stderr).trim().to_owned())?;
    Ok((report, stdout, stderr))
}

fn send_order(control: &mut UnixStream, order: &Order, stdin: &[u8], supervisor: u32) -> Result<Report> {
    send(control, order)?;
    control.write_all(stdin).context("cannot hand the program its stdin")?;
    loop {
        match receive(control)? {
            Up::NeedsIdMaps => {
                namespaces::map_all_ids(supervisor)?;
                send(control, &IdMapsWritten)?;
            }
            Up::Report(report) => return Ok(report),
        }
    }
}

fn resolve_sources(mounts: &[Mount]) -> Result<Vec<Mount>> {
    let resolve = |mount: &Mount| {
        let source = mount.source.canonicalize().with_context(|| {
            format!("cannot mount {} at {}: it is not there", mount.source.display(), mount.target)
        })?;
        Ok(Mount { source, ..mount.clone() })
    };
    mounts.iter().map(resolve).collect()
}
