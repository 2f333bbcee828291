//! The engines docker and podman, through their command line, which they share.

mod arguments;
mod cli;
mod facts;
mod lend;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use self::cli::Cli;
pub(crate) use self::cli::Program;
use self::facts::Facts;
pub(crate) use self::lend::{Loan, lend};
use super::interrupt::{interrupted, kill_on_interrupt, on_interrupt};
use super::{Engine, Exit, Finished, Job, Unavailable, emulation, is_native, output};
use crate::image::Image;
use crate::lab::Arch;
use crate::process;

/// Container engines report a death by signal N as this plus N.
const SIGNALLED: i32 = 128;
const LAST_SIGNAL: i32 = 64;
/// How docker's and podman's process 1 begin the line that tells why the program did not start.
const INIT_FAILURES: [&str; 2] = ["[FATAL tini (", "ERROR (catatonit:"];

/// docker or podman.
pub(crate) struct Container {
    cli: Cli,
    facts: OnceLock<Result<Facts, Unavailable>>,
    /// Digests of images that the engine is known to have.
    loaded: Mutex<BTreeSet<String>>,
}

impl Container {
    /// The engine that `program` speaks to.
    pub(crate) fn new(program: Program) -> Container {
        Container { cli: Cli::new(program), facts: OnceLock::new(), loaded: Mutex::new(BTreeSet::new()) }
    }

    fn facts(&self) -> Result<&Facts, Unavailable> {
        let facts = self.facts.get_or_init(|| {
            let facts = Facts::gather(&self.cli)?;
            self.remove_orphans();
            Ok(facts)
        });
        facts.as_ref().map_err(Clone::clone)
    }

    /// Removes containers of lab runs that were killed before they could tidy up.
    fn remove_orphans(&self) {
        let filter = format!("label={}", arguments::OWNER_LABEL);
        let Ok(listed) = self.cli.run(["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]) else {
            return;
        };
        let format = format!("{{{{index .Config.Labels \"{}\"}}}}", arguments::OWNER_LABEL);
        for id in listed.lines() {
            if let Ok(owner) = self.cli.run(["inspect", "--format", &format, id])
                && owner_is_gone(owner.trim())
            {
                self.cli.remove(id);
            }
        }
    }

    /// Removes the containers that are marked as those of `owner`. Unlike [`Cli::run`] this goes on during an interrupt.
    fn remove_owned_by(&self, owner: &str) {
        let filter = format!("label={}={owner}", arguments::OWNER_LABEL);
        let words = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter];
        if let Ok(listed) = self.cli.command(words).output() {
            for id in String::from_utf8_lossy(&listed.stdout).lines() {
                self.cli.remove(id);
            }
        }
    }

    /// Gives the engine the image, unless it has it.
    fn load(&self, image: &Image) -> Result<()> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.contains(&image.digest) {
            return Ok(());
        }
        if !self.has(&image.digest) {
            let mut load = self.cli.command(["load"]);
            load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = load.spawn().with_context(|| format!("cannot start {}", self.cli.name()))?;
            let stdin = child.stdin.take().context("the pipe to load has no end")?;
            let written = crate::images::write_archive(image, &mut std::io::BufWriter::new(stdin));
            let output = child.wait_with_output()?;
            ensure!(
                output.status.success(),
                "`{} load` of image {} ended with {}: {}",
                self.cli.name(),
                image.name,
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
            written.with_context(|| format!("cannot write image {} as an archive", image.name))?;
            ensure!(
                self.has(&image.digest),
                "{} loaded image {} under another ID than {}: {}",
                self.cli.name(),
                image.name,
                image.digest,
                String::from_utf8_lossy(&output.stdout).trim()
            );
        }
        loaded.insert(image.digest.clone());
        Ok(())
    }

    fn has(&self, digest: &str) -> bool {
        self.cli.run(["image", "inspect", "--format", "{{.Id}}", bare(digest)]).is_ok()
    }

    fn image_variables(&self, digest: &str) -> Result<Vec<String>> {
        let text = self.cli.run(["image", "inspect", "--format", "{{json .Config.Env}}", bare(digest)])?;
        let variables: Option<Vec<String>> =
            serde_json::from_str(text.trim()).context("cannot read the image's environment")?;
        let name = |variable: String| variable.split('=').next().unwrap_or_default().to_owned();
        Ok(variables.unwrap_or_default().into_iter().map(name).collect())
    }

    fn create(&self, name: &str, job: &Job<'_>) -> Result<()> {
        let facts = self.facts()?;
        let of_image = self.image_variables(&job.image.digest)?;
        let mut create = self.cli.command(arguments::create(job, facts, name, &owner(), &of_image)?);
        for removed in arguments::removed_variables(job, facts, &of_image) {
            create.env_remove(removed);
        }
        process::run(&mut create).map(drop)
    }

    fn start(&self, name: &str, job: &Job<'_>) -> Result<Finished> {
        let begun = Instant::now();
        let mut start = self.cli.command(["start", "--attach"]);
        if !job.stdin.is_empty() {
            start.arg("--interactive");
        }
        start.arg(name).stdout(Stdio::piped()).stderr(Stdio::piped());
        start.stdin(if job.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        let mut child = start.spawn().with_context(|| format!("cannot start {}", self.cli.name()))?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let guard = kill_on_interrupt(&child);
        let stop = || {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        };
        let on_line = |line: &str| {
            if let Some(callback) = job.on_stdout_line {
                callback(line);
            }
        };
        let collected = output::collect(child.stdout.take(), child.stderr.take(), &on_line, &stop, || {
            self.feed_and_wait(&mut child, &pidfd, job, begun, name)
        });
        let _ = child.kill();
        child.wait()?;
        drop(guard);
        if interrupted() {
            bail!("interrupted");
        }
        let (passed, stdout, stderr) = collected?;
        let exit = if passed? { Exit::DeadlinePassed } else { self.exit_of(name, &stderr)? };
        Ok(Finished { exit, stdout, stderr })
    }

    /// Whether the deadline passed before the program ended.
    fn feed_and_wait(
        &self,
        child: &mut Child,
        pidfd: &impl std::os::fd::AsFd,
        job: &Job<'_>,
        begun: Instant,
        name: &str,
    ) -> Result<bool> {
        thread::scope(|scope| {
            if let Some(mut stdin) = child.stdin.take() {
                // A program that does not read its input to the end is not to be blamed for it.
                scope.spawn(move || drop(stdin.write_all(&job.stdin)));
            }
            let passed = !ends_within(pidfd, job.deadline.saturating_sub(begun.elapsed()))?;
            if passed {
                self.cli.run(["kill", name]).context("cannot kill a container whose deadline has passed")?;
            }
            Ok(passed)
        })
    }

    fn exit_of(&self, name: &str, stderr: &[u8]) -> Result<Exit> {
        let format = "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}";
        let state = self.cli.run(["inspect", "--format", format, name])?;
        read_state(&state, &String::from_utf8_lossy(stderr))
    }
}

impl Engine for Container {
    fn name(&self) -> &'static str {
        self.cli.name()
    }

    fn check(&self, arch: Arch) -> Result<(), Unavailable> {
        self.facts()?;
        if is_native(arch) {
            return Ok(());
        }
        // Containers share the machine's table.
        emulation::machine_wide().map_err(|state| Unavailable {
            reason: format!("{arch} programs do not run in {}: {state}", self.name()),
            cure: format!("as root: `cargo xtask doctor --fix --engine {}`", self.name()),
        })
    }

    fn run(&self, job: &Job<'_>) -> Result<Finished> {
        self.check(job.image.arch)?;
        let what = || format!("`{}` in image {}", job.command_line(), job.image.name);
        self.load(job.image)?;
        let name = fresh_name();
        // An interrupt waits until the container is removed.
        let _guard = on_interrupt(|| {});
        let finished = self.create(&name, job).and_then(|()| self.start(&name, job));
        // Also what was only half created, or was to be killed.
        self.cli.remove(&name);
        finished.with_context(what)
    }
}

/// How a container ended, by its state and what was printed. Every way not to start looks different.
fn read_state(state: &str, stderr: &str) -> Result<Exit> {
    let mut words = state.trim().splitn(3, ' ');
    let status = words.next().unwrap_or_default();
    let code = words.next().unwrap_or_default();
    let error = words.next().unwrap_or_default().trim();
    ensure!(error.is_empty(), "{error}");
    ensure!(["exited", "stopped"].contains(&status), "the container is {status}: {}", stderr.trim());
    // Process 1 is the engine's own init, which reports what it could not start like the program would.
    if let Some(line) = stderr.lines().find(|line| INIT_FAILURES.iter().any(|start| line.starts_with(start)))
    {
        bail!("{line}");
    }
    let code: i32 = code.parse().with_context(|| format!("no exit code in {state:?}"))?;
    let signal = code - SIGNALLED;
    Ok(if (1..=LAST_SIGNAL).contains(&signal) { Exit::Signal(signal) } else { Exit::Code(code) })
}

/// podman knows no prefix before an ID; docker does without.
fn bare(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

fn fresh_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos());
    format!("dynlab-{}-{number}-{nanos:x}", std::process::id())
}

/// This process, told apart from those of other process namespaces and from later ones with the same number.
fn owner() -> String {
    let id = std::process::id();
    format!("{}/{id}/{}", namespace(), started(id).unwrap_or_default())
}

fn owner_is_gone(owner: &str) -> bool {
    let parts: Vec<_> = owner.split('/').collect();
    let [space, id, begun] = parts[..] else { return false };
    let Ok(id) = id.parse() else { return false };
    space == namespace() && started(id).as_deref() != Some(begun)
}

fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map_or_else(|_| String::new(), |link| link.display().to_string())
}

/// The start time in `/proc/PID/stat` (proc_pid_stat(5)), field 22; the second may hold spaces and brackets.
fn started(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

fn ends_within(pidfd: &impl std::os::fd::AsFd, left: Duration) -> Result<bool> {
    let deadline = Instant::now().checked_add(left);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for a container"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_tell_how_a_container_ended() {
        let read = |state, stderr| read_state(state, stderr).map_err(|error| error.to_string());
        assert_eq!(read("exited 7 \n", ""), Ok(Exit::Code(7)));
        assert_eq!(read("exited 0", "noise"), Ok(Exit::Code(0)));
        assert_eq!(read("exited 137 ", ""), Ok(Exit::Signal(9)));
        assert_eq!(read("exited 255 ", ""), Ok(Exit::Code(255)));
        let tini = "[FATAL tini (8)] exec /x failed: No such file or directory";
        assert_eq!(read("exited 127 ", tini), Err(tini.to_owned()));
        assert_eq!(
            read("created 127 OCI runtime create failed: x", ""),
            Err("OCI runtime create failed: x".into())
        );
        assert_eq!(read("created 0 ", "Error: crun\n"), Err("the container is created: Error: crun".into()));
    }

    #[test]
    fn an_owner_is_gone_only_when_this_namespace_has_it_no_more() {
        assert!(!owner_is_gone(&owner()), "this process lives");
        let reused = owner().rsplit_once('/').unwrap().0.to_owned() + "/1";
        assert!(owner_is_gone(&reused), "another process has its number now");
        assert!(!owner_is_gone("pid:[1]/4194305/9"), "another namespace");
        assert!(!owner_is_gone("nonsense"));
    }
}
