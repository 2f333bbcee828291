//! Resolvers: from a host name to the upstreams that serve it, without blocking.

use std::ffi::c_void;
use std::net::SocketAddr;
use std::ptr;

use plugin_abi::{
    Address, ResolverTable, SizeFirst, Status, Text, UpstreamSink, Waker, address, resolver, sized,
};

use crate::call::{CallError, TextSlot};
use crate::environment::HostEnvironment;
use crate::http::{from_socket_address, to_socket_address};
use crate::instance::{CreateError, Instance, Settings};
use crate::plugin::Plugin;

/// An instance of a resolver plugin. Ended when dropped.
#[derive(Debug)]
pub struct ResolverInstance {
    instance: Instance<ResolverTable>,
}

/// What a resolver knows of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// These serve it, at least one, in the order of preference among equal weights.
    Upstreams(Vec<Upstream>),
    /// The host is not known.
    NotFound,
    /// Not known yet; the waker will be called, and asking again is worth it then.
    Pending,
}

/// What a resolver knows of a host, whose upstreams are elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// At least one serves it.
    Found,
    /// The host is not known.
    NotFound,
    /// Not known yet; the waker will be called, and asking again is worth it then.
    Pending,
}

/// One server that serves a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it listens.
    pub address: UpstreamAddress,
    /// Share of the requests relative to the others, at least 1.
    pub weight: u32,
    /// How it was configured; may be empty.
    pub name: String,
}

/// Where an upstream listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// On an IP address and port.
    Ip(SocketAddr),
    /// On the unix socket whose path is the upstream's name.
    Unix,
}

/// How an upstream fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Answered,
    /// The connection was refused or broke.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

/// Called once when a pending host is worth asking for again, from any thread; must not block.
pub type Wake = Box<dyn FnOnce() + Send>;

/// What is called once when a pending host is worth asking for again.
pub trait Wakes: Send + 'static {
    /// From any thread; must not block.
    fn wake(self: Box<Self>);
}

impl Wakes for Wake {
    fn wake(self: Box<Self>) {
        (*self)();
    }
}

/// Most upstreams of one host that are taken from a plugin.
const MOST_UPSTREAMS: usize = 10_000;

impl ResolverInstance {
    /// Makes an instance. May block.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        Ok(Self { instance: Instance::create(plugin, host, settings)? })
    }

    /// Finds the upstreams of `host`, which is in lower case and has no port. Does not block. Without a
    /// `wake` the plugin must not answer [`Resolved::Pending`]. From any thread, several at once.
    ///
    /// # Errors
    /// If the plugin failed or panicked, or gave an upstream that is none.
    pub fn resolve(&self, host: &str, wake: Option<Wake>) -> Result<Resolved, CallError> {
        let mut upstreams = Vec::new();
        Ok(match self.resolve_into(host, &mut wake.map(Box::new), &mut upstreams)? {
            Resolution::Found => Resolved::Upstreams(upstreams),
            Resolution::NotFound => Resolved::NotFound,
            Resolution::Pending => Resolved::Pending,
        })
    }

    /// The same for those who ask often and can use again what they have: upstreams are put behind those in `upstreams`, which says nothing unless
    /// they were found, and what wakes them stays with them unless the answer is [`Resolution::Pending`].
    ///
    /// # Errors
    /// If the plugin failed or panicked, or gave an upstream that is none.
    pub fn resolve_into<W: Wakes>(
        &self,
        host: &str,
        wake: &mut Option<Box<W>>,
        upstreams: &mut Vec<Upstream>,
    ) -> Result<Resolution, CallError> {
        let Some(resolve) = self.instance.table().resolve else {
            return Err(CallError::unsupported("resolve"));
        };
        let before = upstreams.len();
        let mut found = Found { upstreams, refusal: None };
        let sink = UpstreamSink {
            size: UpstreamSink::SIZE,
            reserved: 0,
            context: ptr::from_mut(&mut found).cast::<c_void>(),
            add: Some(add_upstream),
        };
        // Out of this function's hands before the call: where the plugin keeps it, it may be used before that returns.
        let waiting = wake.take().map(Box::into_raw);
        let waker = Waker {
            context: waiting.map_or(ptr::null_mut(), <*mut W>::cast::<c_void>),
            wake: waiting.is_some().then_some(call_wake::<W>),
        };
        let mut error = TextSlot::default();
        let error_sink = error.sink();
        // SAFETY: the instance lives, and so do host and sinks during the call; the waker's context lives
        // until it is used, if the plugin keeps it, which it says by its answer.
        let status =
            unsafe { resolve(self.instance.pointer(), Text::new(host), &raw const sink, waker, error_sink) };
        if let (Some(waiting), true) = (waiting, status != Status::PENDING) {
            // SAFETY: with every answer but this one the plugin has not kept the waker.
            *wake = Some(unsafe { Box::from_raw(waiting) });
        }
        match status {
            Status::OK => found.check(before),
            Status::NOT_FOUND => Ok(Resolution::NotFound),
            Status::PENDING if waiting.is_some() => Ok(Resolution::Pending),
            status => Err(error.into_error(status)),
        }
    }

    /// Whether it wants to be told how upstreams fared.
    #[inline]
    pub fn hears(&self) -> bool {
        self.instance.table().report.is_some()
    }

    /// Tells how an upstream of `host` fared. Does not block.
    pub fn report(&self, host: &str, upstream: &Upstream, outcome: Outcome) {
        let Some(report) = self.instance.table().report else { return };
        let address = match upstream.address {
            UpstreamAddress::Ip(address) => from_socket_address(address),
            UpstreamAddress::Unix => Address { family: address::FAMILY_UNIX, ..Address::UNKNOWN },
        };
        let lent = plugin_abi::Upstream {
            size: plugin_abi::Upstream::SIZE,
            weight: upstream.weight,
            address,
            name: Text::new(&upstream.name),
        };
        let outcome = match outcome {
            Outcome::Answered => resolver::OUTCOME_OK,
            Outcome::Failed => resolver::OUTCOME_FAILED,
            Outcome::TimedOut => resolver::OUTCOME_TIMED_OUT,
        };
        // SAFETY: the instance lives, and so do host and upstream during the call.
        unsafe { report(self.instance.pointer(), Text::new(host), &raw const lent, outcome) }
    }

    /// Whether it can do its work at this moment.
    ///
    /// # Errors
    /// Its reason, if it cannot.
    pub fn health(&self) -> Result<(), CallError> {
        self.instance.health()
    }
}

struct Found<'a> {
    upstreams: &'a mut Vec<Upstream>,
    refusal: Option<String>,
}

impl Found<'_> {
    fn check(self, before: usize) -> Result<Resolution, CallError> {
        let broken = |message: String| CallError { status: Status::INVALID_ARGUMENT, message };
        match self.refusal {
            Some(message) => Err(broken(message)),
            None if self.upstreams.len() == before => {
                Err(broken("the resolver says it knows the host, and names no upstream".to_owned()))
            }
            None => Ok(Resolution::Found),
        }
    }
}

unsafe extern "C" fn add_upstream(context: *mut c_void, upstream: *const plugin_abi::Upstream) -> Status {
    // SAFETY: the context is the `Found` of the running call, used by the called thread only.
    let found = unsafe { &mut *context.cast::<Found<'_>>() };
    if found.upstreams.len() >= MOST_UPSTREAMS {
        found.refusal.get_or_insert(format!("more than {MOST_UPSTREAMS} upstreams"));
        return Status::LIMIT_EXCEEDED;
    }
    // SAFETY: the plugin lends the upstream for this call.
    match unsafe { read_upstream(upstream) } {
        Ok(upstream) => {
            if found.upstreams.is_empty() {
                // Mostly there is one.
                found.upstreams.reserve_exact(1);
            }
            found.upstreams.push(upstream);
            Status::OK
        }
        Err(message) => {
            found.refusal.get_or_insert(message);
            Status::INVALID_ARGUMENT
        }
    }
}

/// # Safety
/// If the pointer is not null, an upstream of some minor version lies behind it for the running call.
unsafe fn read_upstream(upstream: *const plugin_abi::Upstream) -> Result<Upstream, String> {
    // SAFETY: the caller's promise.
    let upstream = unsafe { sized::read_sized(upstream) }.map_err(|error| format!("an upstream: {error}"))?;
    // SAFETY: the caller's promise.
    let name = unsafe { upstream.name.as_str() }.map_err(|error| format!("an upstream's name: {error}"))?;
    let address = match to_socket_address(&upstream.address) {
        Some(address) => UpstreamAddress::Ip(address),
        None if upstream.address.family == address::FAMILY_UNIX && !name.is_empty() => UpstreamAddress::Unix,
        None => return Err(format!("an upstream's address is none: {:?}", upstream.address)),
    };
    if upstream.weight == 0 {
        return Err("an upstream has weight 0; leave it out instead".to_owned());
    }
    Ok(Upstream { address, weight: upstream.weight, name: name.to_owned() })
}

unsafe extern "C" fn call_wake<W: Wakes>(context: *mut c_void) {
    // SAFETY: the contract has a plugin that answered PENDING call this exactly once, with the context that came with it.
    let wake = unsafe { Box::from_raw(context.cast::<W>()) };
    wake.wake();
}
