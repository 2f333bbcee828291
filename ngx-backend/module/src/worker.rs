//! One worker process: its resolvers, the requests that wait for it, and what is known of upstreams.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::fmt::Arguments;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
#[cfg(feature = "load-before-fork")]
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backend_balance::{Health, Rules, Wheel};
use ngx::ffi::{
    NGINX_VERSION, NGX_OK, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_current_msec, ngx_cycle_t,
    ngx_http_request_t, ngx_int_t, ngx_process, ngx_uint_t,
};
use ngx::http::HttpModuleMainConf;
use plugin_host::{
    Admission, Host, Kind, LoadError, Outcome, Resolution, ResolverInstance, Settings, Upstream,
    UpstreamAddress, Wakes, load,
};

use crate::bell::{Bell, Listener};
use crate::config::{Module, ResolverConf};
use crate::log::{self, Valve, write_for_worker};
use crate::lookup::Lookup;
use crate::{address, content};

/// What a worker has, from `init_process` to `exit_process`. Used by nginx's thread alone.
pub(crate) struct Worker {
    resolvers: Vec<Resolver>,
    /// Without it, no request waits.
    bell: Option<(Arc<Bell>, Listener)>,
    tickets: Cell<u64>,
    /// What the next question may take along, so that not each one has to make its own.
    spare: Cell<Option<Box<Ring>>>,
    /// States that requests have left, for those that come.
    #[expect(clippy::vec_box, reason = "each is handed out and taken back as the allocation that it is")]
    lookups: RefCell<Vec<Box<Lookup>>>,
    waiting: RefCell<HashMap<u64, Waiting>>,
    health: RefCell<Health<Key>>,
    wheel: RefCell<Wheel>,
    failures: RefCell<Valve>,
}

/// Rings for one ticket.
struct Ring {
    bell: Arc<Bell>,
    ticket: u64,
}

impl Wakes for Ring {
    fn wake(self: Box<Self>) {
        self.bell.ring(self.ticket);
    }
}

enum Resolver {
    Works(ResolverInstance),
    /// It could not be loaded; the log has said why.
    Refused,
}

/// A request that waits for its ticket to be rung.
pub(crate) struct Waiting(pub(crate) *mut ngx_http_request_t);

/// What a resolver knows of a host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// There are upstreams that serve it, at least one.
    Upstreams {
        /// The resolver that names them, by its place; `None` for the default of the configuration.
        named_by: Option<usize>,
    },
    /// Nobody serves it.
    Unknown,
    /// Nobody can tell; the log says why.
    Failed,
}

/// What comes of asking.
pub(crate) enum Asked {
    /// This.
    Answered(Answer),
    /// Nothing yet; the ticket will be rung.
    Pending(u64),
}

/// An upstream as its health is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Ip(SocketAddr),
    Unix(String),
}

/// States that are kept for requests to come.
const MOST_LOOKUPS: usize = 256;

/// Why a plugin is refused whose panics nobody could catch.
const ENDS_WORKER: &str = "\
    the plugin is built with panic = \"abort\", so a panic in it would end a worker of nginx, and no directive \
    allows that; build it with panic = \"unwind\"";

thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

/// Called in a process that was forked, and has given up its privileges.
pub(crate) unsafe extern "C" fn start(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: set before this is called.
    let process = unsafe { ngx_process };
    let serves = [NGX_PROCESS_WORKER, NGX_PROCESS_SINGLE].contains(&(process as u32));
    // SAFETY: nginx passes its cycle.
    if let Some(main) = Module::main_conf(unsafe { &*cycle }).filter(|_| serves) {
        #[cfg(not(feature = "load-before-fork"))]
        let resolvers = main.resolvers.iter().map(load_resolver).collect();
        #[cfg(feature = "load-before-fork")]
        let resolvers = early::take();
        // SAFETY: in a worker, events are set up before modules like this one.
        let bell = unsafe { hang_bell(cycle) };
        let worker = Worker {
            resolvers,
            bell,
            tickets: Cell::default(),
            spare: Cell::default(),
            lookups: RefCell::default(),
            waiting: RefCell::default(),
            health: RefCell::default(),
            // So that workers do not meet at the same upstream.
            wheel: RefCell::new(Wheel::from_seed(u64::from(std::process::id()))),
            failures: RefCell::default(),
        };
        CURRENT.set(Some(Rc::new(worker)));
    }
    NGX_OK as ngx_int_t
}

/// Called when the process has served its last request.
pub(crate) unsafe extern "C" fn end(_: *mut ngx_cycle_t) {
    let worker = CURRENT.take();
    // Ends the resolvers' threads while there still is a bell that they may ring.
    drop(worker);
}

/// What must not be, for a test that shows why.
#[cfg(feature = "load-before-fork")]
pub(crate) mod early {
    use super::*;

    static LOADED: Mutex<Vec<Resolver>> = Mutex::new(Vec::new());

    /// Called in the master.
    pub(crate) unsafe extern "C" fn load(cycle: *mut ngx_cycle_t) -> ngx_int_t {
        // SAFETY: nginx passes its cycle.
        if let Some(main) = Module::main_conf(unsafe { &*cycle }) {
            *loaded() = main.resolvers.iter().map(load_resolver).collect();
        }
        NGX_OK as ngx_int_t
    }

    /// What the master has loaded, or what the fork has left of it.
    pub(super) fn take() -> Vec<Resolver> {
        std::mem::take(&mut *loaded())
    }

    fn loaded() -> std::sync::MutexGuard<'static, Vec<Resolver>> {
        LOADED.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load_resolver(conf: &ResolverConf) -> Resolver {
    let library = &conf.library;
    let loaded = catch_unwind(AssertUnwindSafe(|| try_to_load(conf)))
        .unwrap_or_else(|_| Err(("host.panicked", "loading it panicked".to_owned())));
    match loaded {
        Ok(resolver) => Resolver::Works(resolver),
        Err((code, text)) => {
            let line = format_args!(
                "set_backend_library {library}: refused [{code}]: {text}; it tells no upstreams"
            );
            write_for_worker(log::ERROR, line);
            Resolver::Refused
        }
    }
}

/// Loads the plugin and makes an instance; the code and the text of the refusal, if that fails.
fn try_to_load(conf: &ResolverConf) -> Result<ResolverInstance, (&'static str, String)> {
    let ResolverConf { library, map } = conf;
    let version = NGINX_VERSION.to_string_lossy().into_owned();
    let labels = [("server".to_owned(), "nginx".to_owned()), ("server-version".to_owned(), version)];
    let host =
        Host::of_this_process(labels.into()).map_err(|error| ("host.unreadable", log::chain(&error)))?;
    let admission = Admission { kind: Some(Kind::Resolver), ..Admission::default() };
    let plugin = load(&host, &admission, Path::new(library))
        .map_err(|error| (error.code(), log::chain(&with_own_cure(error))))?;
    let settings = match map {
        Some(map) => serde_json::json!({ "path": map }).to_string().into_bytes(),
        None => Vec::new(),
    };
    let settings = Settings { config: settings, log: Some(log::write_for_plugin), ..Settings::default() };
    let resolver = ResolverInstance::create(&plugin, host.environment(), &settings)
        .map_err(|error| (error.code(), log::chain(&error)))?;
    let identity = plugin.identity();
    write_for_worker(
        log::INFO,
        format_args!("set_backend_library {library}: {} {} is loaded", identity.name, identity.version),
    );
    Ok(resolver)
}

/// The same refusal with the cure that there is in nginx: where a panic would end the host, the judge names a flag of other hosts.
fn with_own_cure(mut error: LoadError) -> LoadError {
    if let LoadError::Refused { reasons, .. } = &mut error {
        for reason in reasons.iter_mut().filter(|reason| reason.code.as_str() == "panic.abort") {
            reason.text = ENDS_WORKER.to_owned();
        }
    }
    error
}

/// # Safety
/// In a worker whose event loop was set up.
unsafe fn hang_bell(cycle: *mut ngx_cycle_t) -> Option<(Arc<Bell>, Listener)> {
    let hung = Bell::new().and_then(|bell| {
        // SAFETY: the caller's promise.
        let listener = unsafe { Listener::new(&bell, cycle, Some(content::take_up)) }?;
        Ok((Arc::new(bell), listener))
    });
    hung.map_err(|error| {
        write_for_worker(
            log::ERROR,
            format_args!("set_backend: requests cannot wait for the resolver: {error}"),
        );
    })
    .ok()
}

impl Worker {
    /// The one that this process is; `None` before it starts and after it ends.
    #[inline]
    pub(crate) fn current() -> Option<Rc<Worker>> {
        CURRENT.with_borrow(Option::clone)
    }

    /// Asks for the upstreams of `host`: one resolver after the other, until one knows it or has to find out. Puts them into `upstreams`, which is
    /// empty, and stays so if there are none.
    pub(crate) fn ask(&self, host: &str, may_wait: bool, upstreams: &mut Vec<Upstream>) -> Asked {
        let mut has_failed = false;
        for (place, resolver) in self.resolvers.iter().enumerate() {
            let Resolver::Works(resolver) = resolver else {
                has_failed = true;
                continue;
            };
            let ticket = self.tickets.get();
            self.tickets.set(ticket.wrapping_add(1));
            let mut ring = if may_wait { self.ring(ticket) } else { None };
            let resolved = resolver.resolve_into(host, &mut ring, upstreams);
            self.spare.set(ring);
            match resolved {
                Ok(Resolution::Found) => {
                    upstreams.retain(address::is_usable);
                    if !upstreams.is_empty() {
                        return Asked::Answered(Answer::Upstreams { named_by: Some(place) });
                    }
                    self.note_failure(format_args!("no upstream of {host} is one that nginx can connect to"));
                    has_failed = true;
                }
                Ok(Resolution::NotFound) => {}
                Ok(Resolution::Pending) => {
                    upstreams.clear();
                    return Asked::Pending(ticket);
                }
                Err(error) => {
                    self.note_failure(format_args!("the resolver failed for {host}: {error}"));
                    has_failed = true;
                }
            }
            // Some may have been named all the same.
            upstreams.clear();
        }
        // Where one could not tell, the host may be one that it knows.
        Asked::Answered(if has_failed { Answer::Failed } else { Answer::Unknown })
    }

    /// What rings for a ticket; `None` if there is no bell.
    fn ring(&self, ticket: u64) -> Option<Box<Ring>> {
        let (bell, _) = self.bell.as_ref()?;
        let mut ring = self.spare.take().unwrap_or_else(|| Box::new(Ring { bell: Arc::clone(bell), ticket }));
        ring.ticket = ticket;
        Some(ring)
    }

    /// Chooses among those `upstreams` whose index `may_be`: by weight, one that has not failed lately if there is one.
    pub(crate) fn choose(&self, upstreams: &[Upstream], may_be: impl Fn(usize) -> bool) -> Option<usize> {
        if upstreams.len() == 1 {
            return may_be(0).then_some(0);
        }
        let (health, mut wheel) = (self.health.borrow(), self.wheel.borrow_mut());
        let now = now();
        let all = || upstreams.iter().enumerate().filter(|(index, _)| may_be(*index));
        let well = all().filter(|(_, upstream)| !health.leaves_out(&Key::of(upstream), now));
        let weighted = |(index, upstream): (usize, &Upstream)| (index, upstream.weight);
        wheel.choose(well.map(weighted)).or_else(|| wheel.choose(all().map(weighted)))
    }

    /// Notes how an upstream fared, and lets the resolver know that has named it, if that wants to know. Host and rules are asked for where they
    /// are needed: mostly there is nothing to note.
    pub(crate) fn heard<'a>(
        &self,
        (host, named_by): (impl FnOnce() -> &'a str, Option<usize>),
        upstream: &Upstream,
        outcome: Outcome,
        rules: impl FnOnce() -> Rules,
    ) {
        let mut health = self.health.borrow_mut();
        if outcome == Outcome::Answered {
            if health.has_any() {
                health.answered(&Key::of(upstream));
            }
        } else {
            let rules = rules();
            if health.failed(Key::of(upstream), rules, now()) {
                let name = address::in_log(upstream);
                let time = rules.fail_timeout;
                write_for_worker(
                    log::WARN,
                    format_args!("set_backend: {name} is left out for {time:?} where there is another"),
                );
            }
        }
        drop(health);
        if let Some(Resolver::Works(resolver)) = named_by.and_then(|place| self.resolvers.get(place))
            && resolver.hears()
        {
            resolver.report(host(), upstream, outcome);
        }
    }

    /// Logs why a request could not be told where to go, but not with every request.
    pub(crate) fn note_failure(&self, line: Arguments<'_>) {
        let passes = self.failures.borrow_mut().pass(now());
        match passes {
            Some(0) => write_for_worker(log::ERROR, format_args!("set_backend: {line}")),
            Some(more) => write_for_worker(
                log::ERROR,
                format_args!("set_backend: {line} ({more} such lines before this one were left out)"),
            ),
            None => {}
        }
    }

    /// A state that a request has left, or a new one.
    pub(crate) fn lookup(&self) -> Box<Lookup> {
        self.lookups.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes the state of a request that has ended.
    pub(crate) fn take_back(&self, lookup: Box<Lookup>) {
        let mut lookups = self.lookups.borrow_mut();
        if lookups.len() < MOST_LOOKUPS {
            lookups.push(lookup);
        }
    }

    /// The requests that wait, by their tickets.
    pub(crate) fn waiting(&self) -> RefMut<'_, HashMap<u64, Waiting>> {
        self.waiting.borrow_mut()
    }

    /// The tickets that were rung since the last time.
    pub(crate) fn bell_rings(&self) -> Vec<u64> {
        self.bell.as_ref().map(|(bell, _)| bell.take()).unwrap_or_default()
    }
}

impl Key {
    fn of(upstream: &Upstream) -> Key {
        match upstream.address {
            UpstreamAddress::Ip(address) => Key::Ip(address),
            UpstreamAddress::Unix => Key::Unix(upstream.name.clone()),
        }
    }
}

/// nginx's own clock, which it reads once a round of events.
fn now() -> Duration {
    // SAFETY: written by the thread that is here now.
    Duration::from_millis(unsafe { ngx_current_msec } as ngx_uint_t as u64)
}
