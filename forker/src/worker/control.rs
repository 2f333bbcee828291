//! The thread of a worker that talks to its master.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::stopping::Stopping;
use crate::channel::{Channel, Received};
use crate::message::{ToChild, ToMaster};

/// How long a worker that has lost its master may take to finish, where the kernel has not killed it with its master: a new
/// master can have the port within a second.
const ORPHAN_DEADLINE: Duration = Duration::from_millis(500);

type Signals = SignalDelivery<UnixStream, SignalOnly>;
type Reopen = Box<dyn FnMut() + Send>;

pub(super) struct Control {
    pub(super) channel: Channel,
    pub(super) stopping: Stopping,
    pub(super) accepted: AtomicU64,
    pub(super) beats: AtomicU64,
    reopen: Mutex<Option<Reopen>>,
}

impl Control {
    pub(super) fn start(channel: Channel, interval: Duration) -> io::Result<Arc<Self>> {
        let (read, write) = UnixStream::pair()?;
        let kept = [SIGTERM, SIGUSR1, SIGINT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU];
        let signals = SignalDelivery::with_pipe(read, write, SignalOnly, kept)?;
        let control = Arc::new(Self {
            channel,
            stopping: Stopping::new()?,
            accepted: AtomicU64::new(0),
            beats: AtomicU64::new(0),
            reopen: Mutex::new(None),
        });
        let listening = Arc::clone(&control);
        thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || listening.listen(signals, interval))?;
        Ok(control)
    }

    pub(super) fn reopen(&self) -> MutexGuard<'_, Option<Reopen>> {
        self.reopen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn say_alive(&self) {
        let alive = ToMaster::Alive {
            accepted: self.accepted.load(Ordering::Relaxed),
            beats: self.beats.load(Ordering::Relaxed),
        };
        // One that gets lost is followed by another; a master that is gone is seen when listening.
        let _ = self.channel.send(&alive);
    }

    fn listen(&self, mut signals: Signals, interval: Duration) {
        let mut next = Instant::now() + interval;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            let mut watched =
                [PollFd::new(&self.channel, PollFlags::IN), PollFd::new(signals.get_read(), PollFlags::IN)];
            // An interruption is as good as a look.
            let _ = poll(&mut watched, Timespec::try_from(left).ok().as_ref());
            for signal in signals.pending() {
                match signal {
                    SIGTERM => self.stopping.begin(),
                    SIGUSR1 => self.call_reopen(),
                    _ => {}
                }
            }
            if !self.follow_orders() {
                return self.end_as_orphan();
            }
            if next <= Instant::now() {
                self.say_alive();
                next = Instant::now() + interval;
            }
        }
    }

    /// `false` when the master is gone.
    fn follow_orders(&self) -> bool {
        loop {
            match self.channel.receive() {
                Ok(Received::Message(ToChild::Drain)) => self.stopping.begin(),
                Ok(Received::Message(ToChild::Reopen)) => self.call_reopen(),
                Ok(Received::Message(ToChild::Hello(_))) => {}
                Ok(Received::Nothing) => return true,
                Ok(Received::Closed) | Err(_) => return false,
            }
        }
    }

    fn call_reopen(&self) {
        if let Some(reopen) = self.reopen().as_mut() {
            reopen();
        }
    }

    fn end_as_orphan(&self) {
        self.stopping.begin();
        thread::sleep(ORPHAN_DEADLINE);
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Control").field("channel", &self.channel).finish_non_exhaustive()
    }
}
