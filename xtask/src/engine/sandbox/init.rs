//! Process 1 of the sandbox: it lays out the root, gives up its privileges, starts the program and reaps orphans.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, wait,
};
use rustix::system::sethostname;
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::fault::{During, Fault, Step};
use super::order::{Order, Report, receive, send};
use super::supervisor::control_socket;
use super::{loopback, root};
use crate::engine::Exit;

/// Follows one order from the socket on fd 0.
pub(super) fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox init: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie init to its supervisor")?;
    let mut control = control_socket()?;
    let order: Order = receive(&mut control)?;
    let mut stdin = vec![0; order.stdin_len];
    control.read_exact(&mut stdin)?;
    // The supervisor may have died before the signal was asked for.
    if hung_up(&control)? {
        return Ok(());
    }
    let report = match follow(&order, &stdin) {
        Ok(exit) => Report::Ended(exit),
        Err(fault) => Report::Failed(fault),
    };
    send(&mut control, &report)
}

fn hung_up(control: &UnixStream) -> Result<bool> {
    let mut watched = [PollFd::new(control, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).context("cannot poll the control socket")?;
    Ok(watched[0].revents().contains(PollFlags::HUP))
}

fn follow(order: &Order, stdin: &[u8]) -> Result<Exit, Fault> {
    sethostname(b"sandbox").during(Step::Namespaces, || "set the host name".into())?;
    loopback::start()?;
    root::enter(order)?;
    drop_privileges().during(Step::Other, || "give up privileges".into())?;
    if order.argv.is_empty() {
        return Ok(Exit::Code(0));
    }
    let program = start(order, stdin)?;
    reap_until(program).during(Step::Other, || "wait for the program".into())
}

/// Leaves the next program nothing: its capabilities come from the bounding set, which is emptied.
fn drop_privileges() -> rustix::io::Result<()> {
    for bit in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // Past the kernel's last capability.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)?;
    // Nobody in the sandbox may trace process 1 and forge its report.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // A plugin that crashes on purpose shall not fill the disk.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

fn start(order: &Order, stdin: &[u8]) -> Result<Pid, Fault> {
    let (program, arguments) = order.argv.split_first().ok_or_else(|| Fault::other("no program"))?;
    if !order.cwd.is_dir() {
        return Err(Fault::other(format!("the image has no folder {} to work in", order.cwd.display())));
    }
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.cwd)
        .stdin(readable(stdin).during(Step::Other, || "make the program's stdin".into())?)
        .spawn()
        .during(Step::Other, || format!("start {}", program.display()))?;
    Ok(Pid::from_child(&child))
}

fn readable(bytes: &[u8]) -> std::io::Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Waits for every child that ends until `program` does. The kernel kills what is left when init returns.
fn reap_until(program: Pid) -> rustix::io::Result<Exit> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => return Ok(exit_of(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}
