//! A docker engine of our own, for machines that have none: started by hand as root, stopped with what needed it.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::Engine;
use super::container::{Container, Program};
use super::interrupt::{give_way_to_interrupt, on_interrupt};
use crate::process;

/// How long the engine may take to answer, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A docker engine that answers.
pub(crate) struct DockerEngine {
    own: Option<Own>,
}

/// One that was started here.
struct Own {
    daemon: Child,
    /// Its socket, its log and what else it needs while it runs.
    folder: PathBuf,
}

/// `cargo xtask with-docker`: runs `argv` with a docker engine to talk to, and ends as it ends.
pub(crate) fn run_with(argv: &[std::ffi::OsString], cache: &Path) -> Result<()> {
    let (program, arguments) = argv.split_first().context("no command to run")?;
    let engine = ensure_engine(cache)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(host) = engine.host() {
        command.env("DOCKER_HOST", host);
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let pid = Pid::from_child(&child);
    let guard = on_interrupt(move || {
        let _ = kill_process(pid, Signal::INT);
    });
    let status = child.wait()?;
    drop(engine);
    drop(guard);
    give_way_to_interrupt();
    exit_like(status)
}

/// The machine's engine if one answers, else one that is started here: Debian's docker.io is installed if it is
/// missing, which needs root, and `dockerd` keeps its images in `cache`. It gets no bridge and touches no firewall rule, as
/// the lab's containers have no network.
pub(crate) fn ensure_engine(cache: &Path) -> Result<DockerEngine> {
    let Err(unavailable) = Container::new(Program::Docker).check(super::native()) else {
        return Ok(DockerEngine { own: None });
    };
    if !geteuid().is_root() {
        return Err(unavailable).context("only root can start a docker engine");
    }
    if !installed("dockerd") || !installed("docker") {
        install()?;
        if Container::new(Program::Docker).check(super::native()).is_ok() {
            return Ok(DockerEngine { own: None });
        }
    }
    let own = start(cache)?;
    Ok(DockerEngine { own: Some(own) })
}

/// Why [`ensure_engine`] could not succeed here, known without trying.
pub(crate) fn cannot_ensure() -> Option<String> {
    if geteuid().is_root() {
        return None;
    }
    let unavailable = Container::new(Program::Docker).check(super::native()).err()?;
    Some(format!("{unavailable}; only root can start one"))
}

impl DockerEngine {
    /// The value of DOCKER_HOST that reaches it; `None` if it is the one that docker reaches anyway.
    pub(crate) fn host(&self) -> Option<String> {
        self.own.as_ref().map(Own::host)
    }
}

impl Own {
    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("docker.sock").display())
    }

    fn answers(&self) -> bool {
        process::run(Command::new("docker").args(["--host", &self.host(), "version"])).is_ok()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.daemon.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn installed(program: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

fn install() -> Result<()> {
    eprintln!("installing docker.io, as this machine has no docker engine");
    for arguments in
        [&["update", "--quiet"][..], &["install", "--yes", "--no-install-recommends", "docker.io"]]
    {
        process::run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

fn start(cache: &Path) -> Result<Own> {
    // Not in the cache, whose path may be longer than a socket's may be.
    let folder = tempfile::Builder::new()
        .prefix("dynlab-docker-")
        .tempdir_in("/run")
        .context("cannot write in /run")?;
    let folder = folder.keep();
    let data = cache.join("docker");
    fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
    let log = File::create(folder.join("log"))?;
    let daemon = Command::new("dockerd")
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--log-level=warn"])
        .arg("--host")
        .arg(format!("unix://{}", folder.join("docker.sock").display()))
        .arg("--data-root")
        .arg(data)
        .arg("--exec-root")
        .arg(folder.join("exec"))
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot start dockerd")?;
    let pid = Pid::from_child(&daemon);
    let _guard = on_interrupt(move || {
        let _ = kill_process(pid, Signal::TERM);
    });
    let mut own = Own { daemon, folder };
    let deadline = Instant::now() + PATIENCE;
    while !own.answers() {
        let ended = own.daemon.try_wait()?;
        if let Some(status) = ended {
            bail!("dockerd ended with {status}:\n{}", log_end(&own.folder));
        }
        ensure!(Instant::now() < deadline, "dockerd does not answer:\n{}", log_end(&own.folder));
        thread::sleep(BETWEEN_LOOKS);
    }
    Ok(own)
}

fn log_end(folder: &Path) -> String {
    process::tail(b"", &fs::read(folder.join("log")).unwrap_or_default())
}

fn exit_like(status: ExitStatus) -> Result<()> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => std::process::exit(code),
        (None, signal) => std::process::exit(128 + signal.unwrap_or_default()),
    }
}
