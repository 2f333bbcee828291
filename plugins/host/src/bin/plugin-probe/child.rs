//! A forked child with limits, whose end is an observation and never an accident.
//!
//! A fork without exec, because a program that the emulator was started on by name cannot exec
//! another one, and because a fork costs an emulated probe a tenth of a start. It is sound only in a
//! process with one thread, which this program keeps; the parent never loads a plugin, so
//! each child starts as clean as a new process.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, kill_process_group, set_parent_process_death_signal,
    setpgid, setrlimit,
};

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Processor time of the child, in whole seconds (RLIMIT_CPU).
    pub(crate) cpu_seconds: u64,
    /// Time on the clock until it is killed.
    pub(crate) wall: Duration,
}

/// The most that is kept of what a plugin prints: enough for a panic message and its place.
const KEPT_NOISE: usize = 600;

/// A running child.
pub(crate) struct Child {
    pid: Pid,
    limits: Limits,
    started: Instant,
    report: File,
    reported: Vec<u8>,
    noise: File,
    heard: Vec<u8>,
    killed: bool,
    /// False once the report pipe has reached its end: the child is gone, or as good as gone.
    reporting: bool,
    /// False once both its standard output and its standard error are closed.
    audible: bool,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It ended by itself, with this status.
    Exited(i32),
    /// A signal that it did not get from us ended it.
    Signalled(i32),
    /// Its processor time or its wall time was used up.
    OutOfTime,
}

/// All that is known of a child that has ended.
pub(crate) struct Ended {
    pub(crate) end: End,
    /// What it wrote to its report.
    pub(crate) report: String,
    /// The end of what it printed to standard output and standard error.
    pub(crate) noise: String,
    pub(crate) took: Duration,
}

impl Child {
    /// Forks, and runs `work` in the child with the report's writing end.
    ///
    /// # Errors
    /// What pipe(2) or fork(2) answered.
    pub(crate) fn spawn(limits: Limits, work: impl FnOnce(&mut File)) -> io::Result<Self> {
        let (report, report_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (noise, noise_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let parent = getpid();
        // SAFETY: this process has one thread (see the head of this file), so no lock can be held
        // by a thread that does not exist in the child.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop((report, noise));
                run_child(parent, limits, File::from(report_end), &noise_end, work)
            }
            pid => {
                set_nonblocking(&report)?;
                set_nonblocking(&noise)?;
                Ok(Self {
                    pid: Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?,
                    limits,
                    started: Instant::now(),
                    report: File::from(report),
                    reported: Vec::new(),
                    noise: File::from(noise),
                    heard: Vec::new(),
                    killed: false,
                    reporting: true,
                    audible: true,
                })
            }
        }
    }

    /// The descriptors that become readable when there is something to do here.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let report = self.reporting.then(|| self.report.as_fd());
        let noise = self.audible.then(|| self.noise.as_fd());
        report.into_iter().chain(noise).collect()
    }

    /// How long a caller may wait for a descriptor before it must look again.
    pub(crate) fn patience(&self) -> Duration {
        // When the report has ended there is nothing left to wait on but the exit itself. Until
        // then a process that the plugin started may keep the pipes open after the child is gone.
        let look = Duration::from_millis(if self.reporting { 100 } else { 2 });
        look.min(self.limits.wall.saturating_sub(self.started.elapsed()))
    }

    /// Reads what there is, kills the child if it is late, and says how it ended if it did.
    ///
    /// # Errors
    /// What read(2), kill(2) or wait4(2) answered.
    pub(crate) fn look(&mut self) -> io::Result<Option<Ended>> {
        self.read_pipes()?;
        if !self.killed && self.started.elapsed() >= self.limits.wall {
            self.killed = true;
            self.kill_group()?;
        }
        let Some((status, cpu)) = wait_without_blocking(self.pid)? else { return Ok(None) };
        // Whatever the plugin started must not outlive its probe.
        self.kill_group()?;
        self.read_pipes()?;
        Ok(Some(Ended {
            end: classify(status, cpu, self.killed, self.limits),
            report: String::from_utf8_lossy(&self.reported).into_owned(),
            noise: String::from_utf8_lossy(&self.heard).into_owned(),
            took: self.started.elapsed(),
        }))
    }

    fn read_pipes(&mut self) -> io::Result<()> {
        self.reporting = self.reporting && read_some(&mut self.report, &mut self.reported)?;
        self.audible = self.audible && read_some(&mut self.noise, &mut self.heard)?;
        if self.heard.len() > KEPT_NOISE {
            self.heard.drain(..self.heard.len() - KEPT_NOISE);
        }
        Ok(())
    }

    fn kill_group(&self) -> io::Result<()> {
        match kill_process_group(self.pid, Signal::KILL) {
            // The child has not yet made its group, or the group is gone with it.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            answer => Ok(answer?),
        }
    }
}

/// What the wait status means, given what we did and what the child was allowed.
fn classify(status: i32, cpu: Duration, killed: bool, limits: Limits) -> End {
    if !libc::WIFSIGNALED(status) {
        return End::Exited(libc::WEXITSTATUS(status));
    }
    let signal = libc::WTERMSIG(status);
    // The kernel's own SIGKILL comes a second after the SIGXCPU that somebody ignored.
    let limit_killed = signal == libc::SIGKILL && cpu >= Duration::from_secs(limits.cpu_seconds);
    if killed || signal == libc::SIGXCPU || limit_killed { End::OutOfTime } else { End::Signalled(signal) }
}

fn run_child(
    parent: Pid,
    limits: Limits,
    mut report: File,
    noise: &OwnedFd,
    work: impl FnOnce(&mut File),
) -> ! {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        confine(parent, limits, noise)?;
        work(&mut report);
        report.flush()
    }));
    let status = match outcome {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => {
            eprintln!("plugin-probe: cannot confine the child: {error}");
            3
        }
        Err(_) => 101,
    };
    // SAFETY: _exit takes any status. Nothing of the parent's may run here a second time: no
    // buffered output, no destructors; and a plugin's exit handlers are not what is observed.
    unsafe { libc::_exit(status) }
}

fn confine(parent: Pid, limits: Limits, noise: &OwnedFd) -> io::Result<()> {
    setpgid(None, None)?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(io::Error::other("the supervisor is gone already"));
    }
    let seconds = limits.cpu_seconds;
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds + 1) })?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::stdio::dup2_stdout(noise)?;
    rustix::stdio::dup2_stderr(noise)?;
    // A plugin that reads standard input must not eat the jobs.
    if let Ok(nothing) = File::open("/dev/null") {
        rustix::stdio::dup2_stdin(&nothing)?;
    }
    Ok(())
}

/// Reads what is there, up to a pipe's capacity, so that a plugin that never stops printing
/// cannot keep us here. False at the end of the pipe.
fn read_some(pipe: &mut File, into: &mut Vec<u8>) -> io::Result<bool> {
    match pipe.take(64 * 1024).read_to_end(into) {
        Ok(0) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

fn set_nonblocking(descriptor: &OwnedFd) -> io::Result<()> {
    let flags = fcntl_getfl(descriptor)?;
    Ok(fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?)
}

/// The wait status and the processor time of `pid`, if it has ended.
fn wait_without_blocking(pid: Pid) -> io::Result<Option<(i32, Duration)>> {
    let mut status = 0;
    // SAFETY: rusage is a plain C struct for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals; `pid` is a child of ours that was not reaped yet.
    match unsafe { libc::wait4(pid.as_raw_nonzero().get(), &mut status, libc::WNOHANG, &mut usage) } {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some((status, to_duration(usage.ru_utime) + to_duration(usage.ru_stime)))),
    }
}

fn to_duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cpu_seconds: 2, wall: Duration::from_secs(5) };

    #[test]
    fn ends_are_told_apart() {
        let short = Duration::from_millis(5);
        let cases = [
            (0, short, false, End::Exited(0)),
            (3 << 8, short, false, End::Exited(3)),
            (libc::SIGSEGV, short, false, End::Signalled(libc::SIGSEGV)),
            (libc::SIGABRT | 0x80, short, false, End::Signalled(libc::SIGABRT)),
            (libc::SIGXCPU, Duration::from_secs(2), false, End::OutOfTime),
            (libc::SIGKILL, short, true, End::OutOfTime),
            (libc::SIGKILL, Duration::from_secs(3), false, End::OutOfTime),
            (libc::SIGKILL, short, false, End::Signalled(libc::SIGKILL)),
        ];
        for (status, cpu, killed, expected) in cases {
            assert_eq!(classify(status, cpu, killed, LIMITS), expected, "status {status:#x}");
        }
    }
}
