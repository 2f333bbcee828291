//! Resolvers: from a host name to the upstreams that serve it, without blocking.

use crate::handler::{accepted, unsupported};
use crate::{Error, Plugin};
use plugin_abi::resolver::{OUTCOME_FAILED, OUTCOME_OK};
use plugin_abi::{sized, Address, SizeFirst, Text, UpstreamSink};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// A plugin that finds the upstreams of a host.
pub trait Resolver: Plugin {
    /// Whether [`Resolver::report`] does anything. Where it does not, saying so spares the host a call for each request.
    const HEARS: bool = true;

    /// Finds the upstreams of `host` (lower case, no port) and gives them to `query`. Must not block: it runs on the
    /// thread that serves all other connections too.
    ///
    /// # Errors
    /// The request cannot be served; the message goes to the host's log.
    fn resolve(&self, host: &str, query: &mut Query<'_>) -> Result<Resolution, Error>;

    /// Hears how an upstream of `host` fared, so that it can leave failing ones out for a while. Must not block.
    fn report(&self, host: &str, upstream: &Upstream<'_>, outcome: Outcome) {
        let (_, _, _) = (host, upstream, outcome);
    }
}

/// What a resolver found.
#[derive(Debug)]
pub enum Resolution {
    /// At least one upstream, which the query has been given.
    Found,
    /// The host is not known.
    NotFound,
    /// Not known yet: the [`Waker`] that came with the ticket will say when asking again is worth it.
    Pending(Ticket),
}

/// One server that serves a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream<'a> {
    /// Where it listens.
    pub address: Address,
    /// Share of the requests relative to the other upstreams of the host, at least 1.
    pub weight: u32,
    /// How it was configured; the path of a unix socket; perhaps empty.
    pub name: &'a str,
}

/// How an upstream fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It answered.
    Ok,
    /// The connection was refused or broke.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

impl Outcome {
    /// An outcome that is not known is a bad one.
    pub(crate) fn from_code(code: u32) -> Outcome {
        match code {
            OUTCOME_OK => Outcome::Ok,
            OUTCOME_FAILED => Outcome::Failed,
            _ => Outcome::TimedOut,
        }
    }
}

/// Takes the upstreams of one question.
#[derive(Debug)]
pub struct Query<'a> {
    sink: &'a UpstreamSink,
    waker: plugin_abi::Waker,
    found: bool,
    slot: Option<Arc<Slot>>,
}

impl<'a> Query<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to a sink that keeps to the contract during `'a`, and so does the waker.
    pub(crate) unsafe fn read(
        sink: *const UpstreamSink,
        waker: plugin_abi::Waker,
    ) -> Result<Query<'a>, Error> {
        // SAFETY: the caller's promise.
        let sink =
            unsafe { sized::borrow_sized(sink) }.map_err(|error| Error::size("upstream sink", error))?;
        Ok(Query { sink, waker, found: false, slot: None })
    }

    /// Offers an upstream.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn add(&mut self, upstream: &Upstream<'_>) -> Result<(), Error> {
        let add = self.sink.add.ok_or_else(|| unsupported("add"))?;
        let upstream = plugin_abi::Upstream {
            size: plugin_abi::Upstream::SIZE,
            weight: upstream.weight.max(1),
            address: upstream.address,
            name: Text::new(upstream.name),
        };
        // SAFETY: the sink keeps to the contract; the upstream outlives the call.
        accepted("an upstream", unsafe { add(self.sink.context, &upstream) })?;
        self.found = true;
        Ok(())
    }

    /// Asks the host to wait. `None` if it cannot: then there must be an answer now.
    ///
    /// The waker goes wherever the answer will be known; the ticket goes back as [`Resolution::Pending`].
    pub fn wait(&mut self) -> Option<(Waker, Ticket)> {
        self.waker.wake?;
        let slot = Arc::clone(self.slot.get_or_insert_with(|| Arc::new(Slot::new(self.waker))));
        Some((Waker(slot), Ticket(())))
    }

    /// Whether at least one upstream was taken.
    pub(crate) fn has_found(&self) -> bool {
        self.found
    }

    /// Tells the wakers whether the host waits for them.
    pub(crate) fn settle(&mut self, waits: bool) {
        if let Some(slot) = self.slot.take() {
            slot.settle(waits);
        }
    }
}

/// Proof that a [`Waker`] was taken for this answer.
#[derive(Debug)]
pub struct Ticket(());

/// Tells the host that asking again is worth it: when it is dropped, at the latest.
#[derive(Debug)]
pub struct Waker(Arc<Slot>);

impl Waker {
    /// Wakes the host.
    pub fn wake(self) {}
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Sees to it that the host's waker is called exactly once if the answer was *pending*, and not at all otherwise: the
/// plugin may wake before its answer is out, and may answer something else after all.
#[derive(Debug)]
struct Slot {
    state: AtomicU8,
    waker: plugin_abi::Waker,
}

/// The answer is not out, nobody has woken.
const OPEN: u8 = 0;
/// The answer is not out, somebody has woken.
const WOKEN: u8 = 1;
/// The answer was *pending*, nobody has woken.
const WAITED_FOR: u8 = 2;
/// The host has been woken, or does not wait.
const CLOSED: u8 = 3;

impl Slot {
    fn new(waker: plugin_abi::Waker) -> Slot {
        Slot { state: AtomicU8::new(OPEN), waker }
    }

    fn wake(&self) {
        let woken = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            OPEN => Some(WOKEN),
            WAITED_FOR => Some(CLOSED),
            _ => None,
        });
        if woken == Ok(WAITED_FOR) {
            self.call();
        }
    }

    fn settle(&self, waits: bool) {
        let next = if waits { WAITED_FOR } else { CLOSED };
        if let Err(_already_woken) =
            self.state.compare_exchange(OPEN, next, Ordering::AcqRel, Ordering::Acquire)
        {
            self.state.store(CLOSED, Ordering::Release);
            if waits {
                self.call();
            }
        }
    }

    fn call(&self) {
        if let Some(wake) = self.waker.wake {
            // SAFETY: the host waits, so it keeps the context until this call, which is the only one (see the states).
            unsafe { wake(self.waker.context) }
        }
    }
}

// SAFETY: the contract lets any thread wake, and the state keeps it to one call.
unsafe impl Sync for Slot {}
