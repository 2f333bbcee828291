//! xtask started again, to enter the circumstances of a build and then become the command of that build.
//!
//! A process of its own does it, since much of it cannot be taken back, and namespaces can only be entered by a process with one thread.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use rustix::fs::Mode;
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};
use rustix::process::{getegid, geteuid, umask};
use rustix::system::sethostname;
use rustix::thread::{CpuSet, UnshareFlags, sched_setaffinity};
use serde::{Deserialize, Serialize};

use super::circumstances::{Circumstances, Namespaces};
use crate::engine::{self, EngineChoice};

/// First argument of xtask started again as stage.
const STAGE: &str = "__repro-stage";
/// First argument of xtask started again to see whether a sandbox works where it is.
const CHECK: &str = "__repro-check";
/// The variable with the [`Order`], as JSON.
const ORDER: &str = "DYNLAB_REPRO_ORDER";

/// What shall be run, and in which circumstances.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) circumstances: Circumstances,
    pub(super) namespaces: Namespaces,
    /// Whether the user is to be changed.
    pub(super) other_user: bool,
    /// Folders of this machine, and where the build sees them.
    pub(super) shown: Vec<(PathBuf, PathBuf)>,
    /// This program, where the user of the build can start it.
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    /// The whole environment.
    pub(super) env: Vec<(OsString, OsString)>,
}

impl Order {
    /// The command that follows this order; it ends as the ordered one does.
    pub(super) fn command(&self) -> Result<Command> {
        let mut command = Command::new(env::current_exe().context("cannot name this program")?);
        command.arg(STAGE).env(ORDER, serde_json::to_string(self).context("cannot encode an order")?);
        Ok(command)
    }

    /// The same order with nothing to do but to see whether a sandbox works there.
    pub(super) fn rehearsal(&self) -> Order {
        Order { arguments: vec![CHECK.into()], ..self.clone() }
    }
}

/// Does the work of a stage if this process was started as one. `main` asks while the process has one thread.
pub(crate) fn run_if_reexecuted() -> Option<ExitCode> {
    let outcome = match env::args_os().nth(1)?.to_str()? {
        STAGE => follow().map(|never| match never {}),
        CHECK => check(),
        _ => return None,
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // Not 1, which says that something differs.
            ExitCode::from(2)
        }
    })
}

fn check() -> Result<()> {
    engine::select(EngineChoice::Sandbox, None)?.check(engine::native())?;
    Ok(())
}

fn follow() -> Result<Infallible> {
    let order = env::var(ORDER).with_context(|| format!("{ORDER} is not set"))?;
    let order: Order = serde_json::from_str(&order).context("cannot decode the order")?;
    enter(order.namespaces, &order.circumstances.host_name)?;
    for (source, target) in &order.shown {
        mount_bind_recursive(source, target)
            .with_context(|| format!("cannot show {} at {}", source.display(), target.display()))?;
    }
    let mut cores = CpuSet::new();
    order.circumstances.cores.iter().for_each(|&core| cores.set(core));
    sched_setaffinity(None, &cores).context("cannot choose the cores to run on")?;
    umask(Mode::from_raw_mode(order.circumstances.umask));
    let repository = &order.circumstances.folders.repository;
    let mut command = Command::new(&order.program);
    command.args(&order.arguments).env_clear().envs(order.env).current_dir(repository);
    if order.other_user && order.namespaces != Namespaces::OfUser {
        command.uid(order.circumstances.user.uid).gid(order.circumstances.user.gid);
    }
    // Returns only if it fails.
    Err(command.exec()).with_context(|| {
        format!("cannot start {} as {}", order.program.display(), order.circumstances.user.name)
    })
}

fn enter(namespaces: Namespaces, host_name: &str) -> Result<()> {
    let own = UnshareFlags::NEWNS | UnshareFlags::NEWUTS;
    let flags = match namespaces {
        Namespaces::None => return Ok(()),
        Namespaces::Plain => own,
        Namespaces::OfUser => own | UnshareFlags::NEWUSER,
    };
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    #[expect(
        deprecated,
        reason = "only CLONE_FILES makes it unsafe, its successor is an unsafe function for that flag"
    )]
    rustix::thread::unshare(flags).context("cannot make namespaces")?;
    if namespaces == Namespaces::OfUser {
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {uid} 1")),
            ("gid_map", format!("0 {gid} 1")),
        ];
        for (file, text) in maps {
            fs::write(Path::new("/proc/self").join(file), text)
                .with_context(|| format!("cannot write {file}"))?;
        }
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("cannot make the mounts private")?;
    sethostname(host_name.as_bytes()).context("cannot set the host name")
}
