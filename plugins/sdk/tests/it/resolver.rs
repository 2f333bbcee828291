//! A resolver, through its table: a waker is called exactly once after *pending*, and never otherwise.

use crate::host::{self, Message};
use plugin_sdk::abi::{self, ResolverTable, SizeFirst, Status, Text, UpstreamSink};
use plugin_sdk::{Address, Error, Outcome, Plugin, Query, Resolution, Resolver, Setup, Upstream, Waker};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

/// Does what the host name says.
struct Names {
    waiting: Mutex<Vec<Waker>>,
    failures: AtomicUsize,
}

impl Plugin for Names {
    fn create(_setup: &Setup<'_>) -> Result<Names, Error> {
        Ok(Names { waiting: Mutex::new(Vec::new()), failures: AtomicUsize::new(0) })
    }

    fn health(&self) -> Result<(), Error> {
        match self.failures.load(Ordering::SeqCst) {
            0 => Ok(()),
            failures => Err(Error::new(format!("{failures} failures"))),
        }
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str, query: &mut Query<'_>) -> Result<Resolution, Error> {
        match host {
            "known.test" => {
                query.add(&Upstream { address: Address::v4([10, 0, 0, 1], 80), weight: 3, name: "one" })?;
                query.add(&Upstream { address: Address::v4([10, 0, 0, 2], 80), weight: 0, name: "two" })?;
                Ok(Resolution::Found)
            }
            "liar.test" => Ok(Resolution::Found),
            "panic.test" => panic!("resolve"),
            "wake" => {
                self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
                Ok(Resolution::NotFound)
            }
            _ => {
                let (waker, ticket) = match query.wait() {
                    Some(both) => both,
                    None => return Err(Error::unavailable("not known, and the host does not wait")),
                };
                match host {
                    "at-once.test" => waker.wake(),
                    _ => self.waiting.lock().unwrap().push(waker),
                }
                match host {
                    "after-all.test" => Ok(Resolution::NotFound),
                    "panic-waiting.test" => panic!("after it asked to wait"),
                    _ => Ok(Resolution::Pending(ticket)),
                }
            }
        }
    }

    fn report(&self, host: &str, upstream: &Upstream<'_>, outcome: Outcome) {
        assert_eq!((host, upstream.name), ("known.test", "one"));
        if outcome != Outcome::Ok {
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
    }
}

plugin_sdk::export_plugin! { name: "names", resolver: Names, entry: "dynlab_test_resolver" }

unsafe extern "C" fn add(context: *mut c_void, upstream: *const abi::Upstream) -> Status {
    // SAFETY: the context is the list the sink was made from; the upstream is lent for this call.
    let (list, upstream) = unsafe { (&mut *context.cast::<Vec<String>>(), &*upstream) };
    // SAFETY: as above.
    let name = unsafe { upstream.name.as_str() }.unwrap();
    list.push(format!("{name} {:?} weight {}", upstream.address, upstream.weight));
    Status::OK
}

unsafe extern "C" fn wake(context: *mut c_void) {
    // SAFETY: the context is a counter that outlives the instance.
    unsafe { &*context.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
}

fn table() -> ResolverTable {
    host::table(&PLUGIN, 0)
}

struct Asked {
    status: Status,
    upstreams: Vec<String>,
    message: String,
}

/// Asks for `host`; a host that can wait has its wakes counted.
fn ask(instance: *mut c_void, host: &str, wakes: Option<&AtomicUsize>) -> Asked {
    let mut upstreams: Vec<String> = Vec::new();
    let sink = UpstreamSink {
        size: UpstreamSink::SIZE,
        reserved: 0,
        context: ptr::from_mut(&mut upstreams).cast(),
        add: Some(add),
    };
    let waker = match wakes {
        Some(wakes) => abi::Waker { context: ptr::from_ref(wakes).cast_mut().cast(), wake: Some(wake) },
        None => abi::Waker { context: ptr::null_mut(), wake: None },
    };
    let mut message = Message::default();
    // SAFETY: everything passed outlives the call, and the counter the instance.
    let status = unsafe { table().resolve.unwrap()(instance, Text::new(host), &sink, waker, message.sink()) };
    Asked { status, upstreams, message: message.text().to_owned() }
}

fn destroy(instance: *mut c_void) {
    // SAFETY: made by `create`, destroyed once.
    unsafe { table().destroy.unwrap()(instance) }
}

#[test]
fn known_hosts_are_resolved() {
    let instance = host::create(table().create, b"").unwrap();
    let asked = ask(instance, "known.test", None);
    assert_eq!(asked.status, Status::OK);
    assert_eq!(asked.upstreams, ["one 10.0.0.1:80 weight 3", "two 10.0.0.2:80 weight 1"]);

    let asked = ask(instance, "liar.test", None);
    assert_eq!(
        (asked.status, &*asked.message),
        (Status::FAILED, "the resolver says that it found upstreams but gave none")
    );
    let asked = ask(instance, "panic.test", None);
    assert_eq!((asked.status, &*asked.message), (Status::PANICKED, "panicked: resolve"));
    let asked = ask(instance, "unknown.test", None);
    assert_eq!(
        (asked.status, &*asked.message),
        (Status::UNAVAILABLE, "not known, and the host does not wait")
    );
    destroy(instance);
}

#[test]
fn pending_is_followed_by_one_wake() {
    let wakes = AtomicUsize::new(0);
    let woken = || wakes.swap(0, Ordering::SeqCst);
    let instance = host::create(table().create, b"").unwrap();

    assert_eq!(ask(instance, "unknown.test", Some(&wakes)).status, Status::PENDING);
    assert_eq!(woken(), 0);
    assert_eq!(ask(instance, "wake", None).status, Status::NOT_FOUND);
    assert_eq!(woken(), 1);

    // Woken before the answer is out.
    assert_eq!(ask(instance, "at-once.test", Some(&wakes)).status, Status::PENDING);
    assert_eq!(woken(), 1);

    // Asked to wait and answered something else: the host does not keep the waker's context, so no wake may come.
    assert_eq!(ask(instance, "after-all.test", Some(&wakes)).status, Status::NOT_FOUND);
    assert_eq!(ask(instance, "panic-waiting.test", Some(&wakes)).status, Status::PANICKED);
    assert_eq!(ask(instance, "wake", None).status, Status::NOT_FOUND);
    assert_eq!(woken(), 0);

    // The instance ends while somebody waits.
    assert_eq!(ask(instance, "unknown.test", Some(&wakes)).status, Status::PENDING);
    destroy(instance);
    assert_eq!(woken(), 1);
}

#[test]
fn outcomes_are_heard() {
    let instance = host::create(table().create, b"").unwrap();
    let report = |host: Text, outcome| {
        let upstream = abi::Upstream {
            size: abi::Upstream::SIZE,
            weight: 1,
            address: Address::UNKNOWN,
            name: Text::new("one"),
        };
        // SAFETY: everything passed outlives the call.
        unsafe { table().report.unwrap()(instance, host, &upstream, outcome) }
    };
    for outcome in [abi::resolver::OUTCOME_OK, abi::resolver::OUTCOME_FAILED, 99] {
        report(Text::new("known.test"), outcome);
    }
    let mut message = Message::default();
    // SAFETY: a live instance, a sink that outlives the call.
    let status = unsafe { table().health.unwrap()(instance, message.sink()) };
    assert_eq!((status, message.text()), (Status::FAILED, "2 failures"));
    // No sink takes these failures: they are logged.
    report(Text { ptr: b"\xff".as_ptr(), len: 1 }, 0);
    assert!(host::log_contains("1 report: host name: text is not UTF-8 after byte 0"));
    report(Text::new("other.test"), 0);
    assert!(host::log_contains("1 report: panicked: assertion"));
    destroy(instance);
}
