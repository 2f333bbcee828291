//! Starting a process from the program that runs, and finding out in it that it was started so.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use crate::channel::{Channel, Received};
use crate::message::{Hello, ToChild};
use crate::program::Program;
use crate::socket::systemd;

/// A variable of the environment and no argument, as those belong to the program. Its value is the master's process id and the
/// number of a descriptor, which is the program itself. Standard input is the channel until it is put back.
const MARKER: &str = "FORKER_STARTED_BY";

/// Whether a process is to be killed when the thread that starts it ends, or lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bond {
    DiesWithParent,
    Outlives,
}

/// Starts the program once more, with the arguments of this process and with `channel` for what it is told.
///
/// It gets no descriptor but the standard ones and those that are sent to it.
pub(crate) fn start(
    program: &Program,
    channel: OwnedFd,
    bond: Bond,
    prepare: impl FnOnce(&mut Command),
) -> io::Result<Child> {
    let descriptor = program.descriptor()?;
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program.executable(&descriptor));
    if let Some(called) = arguments.next() {
        command.arg0(called);
    }
    command.args(arguments);
    prepare(&mut command);
    let parent = getpid();
    command.env(MARKER, format!("{}:{}", parent.as_raw_nonzero(), descriptor.as_raw_fd()));
    // Workers get the sockets from their master, whether or not systemd had opened them.
    for variable in systemd::VARIABLES {
        command.env_remove(variable);
    }
    command.stdin(Stdio::from(channel));
    let in_child = move || prepare_child(parent, bond, &descriptor);
    // SAFETY: between fork and exec it makes only system calls that are async-signal-safe, and allocates nothing: rustix's
    // are bare system calls, and close_fds promises it.
    unsafe { command.pre_exec(in_child) };
    command.spawn()
}

fn prepare_child(parent: Pid, bond: Bond, program: &File) -> io::Result<()> {
    if bond == Bond::DiesWithParent {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that was set.
        if getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    close_fds::set_fds_cloexec(3, &[]);
    // An interpreter or an emulator opens it by its number after the exec.
    rustix::io::fcntl_setfd(program, FdFlags::empty())?;
    Ok(())
}

/// A process that was marked, but not started by a master.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkerError {
    /// Somebody else set the variable.
    #[error(
        "FORKER_STARTED_BY is set to `{value}`, but this process was not started by a forker master; \
         only a master sets it for its workers: unset it to start a master"
    )]
    NotStarted {
        /// What it was set to.
        value: String,
    },
    /// The master ended meanwhile, or said nothing.
    #[error("the master that started this process is gone")]
    MasterGone,
    /// What it sent did not arrive.
    #[error("cannot take over what the master handed out")]
    Handed(#[source] io::Error),
}

/// What a process that a master started has from it.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) channel: Channel,
    pub(crate) hello: Hello,
    pub(crate) sockets: Vec<OwnedFd>,
}

/// Whether a master started this process, and for what.
pub(crate) fn started() -> Result<Option<Started>, MarkerError> {
    let Some(value) = std::env::var_os(MARKER) else { return Ok(None) };
    let value = value.to_string_lossy().into_owned();
    let not_started = || MarkerError::NotStarted { value: value.clone() };
    let (master, program) = parse(&value).ok_or_else(not_started)?;
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(MarkerError::Handed)?;
    let channel = Channel::of(stdin).ok_or_else(not_started)?;
    if getppid().map(Pid::as_raw_pid) != Some(master) {
        return Err(MarkerError::MasterGone);
    }
    let hello = match channel.receive() {
        Ok(Received::Message(ToChild::Hello(hello))) => hello,
        Ok(Received::Message(_) | Received::Nothing) => return Err(not_started()),
        Ok(Received::Closed) => return Err(MarkerError::MasterGone),
        Err(source) => return Err(MarkerError::Handed(source)),
    };
    // SAFETY: the master opened it for this process, and nobody has heard of it yet: this is the marker's first reader, and the
    // checks above show that the marker is the master's.
    drop(unsafe { OwnedFd::from_raw_fd(program) });
    let count = match &hello {
        Hello::Worker(worker) => worker.sockets,
        Hello::Successor(successor) => successor.rows.iter().sum(),
    };
    let mut descriptors = channel.receive_descriptors(count + 1).map_err(MarkerError::Handed)?;
    let sockets = descriptors.split_off(1);
    // As it was before the master put the channel there.
    rustix::stdio::dup2_stdin(&descriptors[0]).map_err(|source| MarkerError::Handed(source.into()))?;
    unmark();
    Ok(Some(Started { channel, hello, sockets }))
}

fn parse(value: &str) -> Option<(i32, RawFd)> {
    let (master, program) = value.split_once(':')?;
    Some((master.parse().ok()?, program.parse().ok().filter(|number| *number > 2)?))
}

/// Takes the marker away, so that programs which this process starts are not taken for workers.
fn unmark() {
    if threads() <= 1 {
        // SAFETY: no other thread is there that could read the environment meanwhile.
        unsafe { std::env::remove_var(MARKER) };
    }
}

/// The 20th field of proc_pid_stat(5). Emulators leave it 0, and their own threads read no environment of the program.
fn threads() -> u32 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // An unreadable file counts as many threads, so that nothing unsafe is done.
    after_name.split_whitespace().nth(17).and_then(|field| field.parse().ok()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_master_writes_is_a_marker() {
        assert_eq!(parse("12:7"), Some((12, 7)));
        for wrong in ["", "1", "12:", "a:7", "12:0", "12:-1", "12:7:9"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn this_process_has_threads() {
        let sleeper = std::thread::spawn(std::thread::park);
        assert!(threads() > 1);
        sleeper.thread().unpark();
    }
}
