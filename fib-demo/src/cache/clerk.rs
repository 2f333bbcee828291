//! The thread that sees what becomes of numbers that were put into the cache.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use plugin_host::{CallError, Reply};

use super::Shared;
use crate::fibonacci::Index;

/// Waits for answers that nobody else waits for. Ends when dropped, with the last answer or at its deadline.
#[derive(Debug)]
pub(super) struct Clerk {
    open: Option<SyncSender<Open>>,
    thread: Option<JoinHandle<()>>,
}

/// A `set` that is not answered yet.
struct Open {
    n: Index,
    reply: Reply<Result<(), CallError>>,
    deadline: Instant,
}

/// How many answers may be waited for. Beyond that they are not watched: of a cache so slow the others will tell.
const MOST: usize = 1_024;

impl Clerk {
    pub(super) fn start(cache: Arc<Shared>) -> io::Result<Self> {
        let (sender, open) = sync_channel(MOST);
        let thread = thread::Builder::new().name("cache-clerk".into()).spawn(move || watch(&cache, &open))?;
        Ok(Self { open: Some(sender), thread: Some(thread) })
    }

    pub(super) fn watch(&self, n: Index, reply: Reply<Result<(), CallError>>, deadline: Instant) {
        if let Some(open) = &self.open {
            let _ = open.try_send(Open { n, reply, deadline });
        }
    }
}

/// One after the other: all have the same time, so that the first to come is the first whose time is over.
fn watch(cache: &Shared, open: &Receiver<Open>) {
    for Open { n, reply, deadline } in open {
        match reply.wait(deadline.saturating_duration_since(Instant::now())) {
            Some(outcome) => cache.stored(n, outcome),
            None => cache.timed_out("set", n),
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.open = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the panic hook, and there is nobody else to tell.
            let _ = thread.join();
        }
    }
}
