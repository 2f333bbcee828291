//! The process between xtask and init: it makes the namespaces, keeps the deadline, and ends init when xtask is gone.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, getegid, geteuid, pidfd_open};

use super::fault::{During, Fault, Step};
use super::order::{IdMapsWritten, Order, Report, Up, receive, send};
use super::{INIT, SELF, namespaces};
use crate::engine::Exit;

/// Follows one order from the socket on fd 0.
pub(super) fn run() -> ExitCode {
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Reaches xtask as the program's stderr, which is shown when no report came.
            eprintln!("sandbox supervisor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn supervise() -> Result<()> {
    // Whatever xtask was given by cargo or a shell is not for the program.
    close_fds::set_fds_cloexec(3, &[]);
    let mut control = control_socket()?;
    let order: Order = receive(&mut control)?;
    let mut stdin = vec![0; order.stdin_len];
    control.read_exact(&mut stdin).context("xtask is gone")?;
    let report = match follow(&mut control, &order, &stdin) {
        Ok(report) => report,
        Err(fault) => Report::Failed(fault),
    };
    // If xtask is gone, nobody is left to be told.
    let _ = send(&mut control, &Up::Report(report));
    Ok(())
}

/// The socket that the parent gave as fd 0. The copy is closed on exec, unlike fd 0 itself.
pub(super) fn control_socket() -> Result<UnixStream> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().context("cannot copy the control socket")?;
    Ok(UnixStream::from(socket))
}

fn follow(control: &mut UnixStream, order: &Order, stdin: &[u8]) -> Result<Report, Fault> {
    let deadline = Instant::now().checked_add(order.deadline);
    enter_namespaces(control)?;
    let (mut below, theirs) = UnixStream::pair().during(Step::Other, || "make a socket pair".into())?;
    let mut init = Command::new(SELF)
        .arg(INIT)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .during(Step::Namespaces, || "start the first process of the namespace".into())?;
    let handed = send(&mut below, order).and_then(|()| Ok(below.write_all(stdin)?));
    let ended = watch(&mut init, control, deadline);
    // Killing process 1 kills its whole namespace, and waiting for it waits until all of that is gone.
    let _ = init.kill();
    let status = init.wait().during(Step::Other, || "wait for init".into())?;
    match ended.during(Step::Other, || "watch init".into())? {
        Watched::InitEnded => receive(&mut below).map_err(|error| {
            let error = handed.err().unwrap_or(error);
            Fault::other(format!("init ended with {status} and without a report: {error:#}"))
        }),
        Watched::DeadlinePassed => Ok(Report::Ended(Exit::DeadlinePassed)),
        Watched::Stopped => Err(Fault::other("stopped")),
    }
}

fn enter_namespaces(control: &mut UnixStream) -> Result<(), Fault> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let root = namespaces::is_root();
    namespaces::enter()?;
    if !root {
        return namespaces::map_own_id(uid, gid);
    }
    let mapped = send(control, &Up::NeedsIdMaps).and_then(|()| receive::<IdMapsWritten>(control));
    mapped.map(drop).during(Step::Namespaces, || "have root's IDs mapped".into())
}

enum Watched {
    InitEnded,
    DeadlinePassed,
    /// xtask has ended or closed the socket.
    Stopped,
}

fn watch(init: &mut Child, control: &UnixStream, deadline: Option<Instant>) -> Result<Watched> {
    let pid = Pid::from_child(init);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("the kernel has no pidfd_open (Linux 5.3)")?;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut watched = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match poll(&mut watched, left.map(timespec).as_ref()) {
            Ok(0) => return Ok(Watched::DeadlinePassed),
            Ok(_) if !watched[0].revents().is_empty() => return Ok(Watched::InitEnded),
            Ok(_) => return Ok(Watched::Stopped),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for init"),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
