//! What a worker has from its master, and tells it.

mod control;
mod pulse;
mod stopping;

use std::any::Any;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use rustix::thread::CpuSet;

use crate::channel::{Channel, fit};
use crate::error::chain;
use crate::message::{ToMaster, WorkerHello};
use crate::socket::Socket;
use crate::start::MarkerError;
use control::Control;
pub use pulse::Pulse;
pub use stopping::{Stopping, wait_for};

/// One worker process, as it sees itself.
///
/// Its life: take the [sockets](Worker::take_sockets), make everything that serving needs, say [`ready`](Worker::ready), serve
/// until [`stopping`](Worker::stopping), finish what has begun, return. An error that is returned, before or after, is told to the master,
/// which says it in its log; so is a panic.
///
/// A thread of its own talks to the master. These signals do not end a worker, as they are meant for the master when a terminal sends
/// them to both: SIGINT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU. SIGTERM stops it gracefully, and another takes its place; SIGUSR1 reopens its logs.
#[derive(Debug)]
pub struct Worker {
    sockets: Vec<Socket>,
    slot: usize,
    generation: u32,
    heartbeat_interval: Duration,
    control: Arc<Control>,
}

impl Worker {
    pub(crate) fn begin(
        channel: Channel,
        sockets: Vec<OwnedFd>,
        hello: &WorkerHello,
    ) -> Result<Self, MarkerError> {
        name_this_thread(&hello.command);
        if let Some(core) = hello.core {
            let mut cores = CpuSet::new();
            cores.set(core);
            // A core that was taken away meanwhile is no reason not to serve.
            let _ = rustix::thread::sched_setaffinity(None, &cores);
        }
        for socket in &sockets {
            // Those from systemd may block, and all are promised not to.
            let set = rustix::io::ioctl_fionbio(socket, true);
            set.map_err(|source| MarkerError::Handed(source.into()))?;
        }
        let sockets = sockets.into_iter().map(Socket::from_fd).collect::<Result<_, _>>();
        let sockets = sockets.map_err(|error| MarkerError::Handed(std::io::Error::other(error)))?;
        let control = Control::start(channel, hello.heartbeat_interval).map_err(MarkerError::Handed)?;
        Ok(Self {
            sockets,
            slot: hello.slot,
            generation: hello.generation,
            heartbeat_interval: hello.heartbeat_interval,
            control,
        })
    }

    /// Its sockets, in the order in which the master was given the addresses. None is left for a second call.
    pub fn take_sockets(&mut self) -> Vec<Socket> {
        std::mem::take(&mut self.sockets)
    }

    /// Its place among the workers, from 0. A replacement has the same.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// How often the program had been loaded when this worker was started, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// How often the master wants to hear of it: so often [`Pulse::beat`] should be called, where it is called.
    pub fn heartbeat_interval(&self) -> Duration {
        self.heartbeat_interval
    }

    /// Says that it serves from now on. Only then does the master end the one that it replaces.
    pub fn ready(&self) {
        // A master that is gone is seen by the thread that talks to it.
        let _ = self.control.channel.send(&ToMaster::Ready);
    }

    /// For what counts connections and shows that it lives.
    pub fn pulse(&self) -> Pulse {
        Pulse::of(&self.control)
    }

    /// For what has to know when to stop.
    pub fn stopping(&self) -> Stopping {
        self.control.stopping.clone()
    }

    /// Has this called, in a thread of its own, when logs are to be opened anew (SIGUSR1).
    pub fn on_reopen(&self, reopen: impl FnMut() + Send + 'static) {
        *self.control.reopen() = Some(Box::new(reopen));
    }

    /// Runs `serve` and ends the process.
    pub(crate) fn run<E>(self, serve: impl FnOnce(Self) -> Result<(), E>) -> !
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let control = Arc::clone(&self.control);
        let result = catch_unwind(AssertUnwindSafe(|| serve(self)));
        control.say_alive();
        let (why, code) = match result {
            Ok(Ok(())) => exit(0),
            Ok(Err(error)) => (chain(&*error.into()), FAILED),
            // The panic hook has said more on standard error.
            Err(panic) => (format!("panic: {}", text_of(&*panic)), PANICKED),
        };
        let told = control.channel.send(&ToMaster::Failed { why: fit(why.clone()) });
        if told.is_err() {
            eprintln!("worker: {why}");
        }
        exit(code)
    }
}

/// As `ExitCode::FAILURE`.
const FAILED: i32 = 1;
/// As the standard library ends a program whose main thread panics.
const PANICKED: i32 = 101;

fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "of a kind without a text",
    }
}

/// The kernel names a process after the file that was executed, which is a number here.
pub(crate) fn name_this_thread(command: &str) {
    if let Ok(name) = CString::new(command) {
        // It cuts what is longer than 15 bytes.
        let _ = rustix::thread::set_name(&name);
    }
}
