//! The other kinds of plugin, each through its safe wrapper.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugin_host::{
    Before, CacheInstance, HandlerInstance, LogLevel, MiddlewareInstance, Outcome, RequestEdit, Resolved,
    ResolverInstance, Response, Settings, ShowcaseInstance, UpstreamAddress,
};

use crate::lab::Lab;
use crate::loading::get;

/// Long enough for a thread to be scheduled on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn caches_answer_at_once_or_later() {
    let lab = Lab::new();
    for macros in [[].as_slice(), &["LATE"]] {
        let plugin = lab.load(&lab.compile("cache.so", "tests/it/plugins/cache.c", macros)).unwrap();
        let cache = CacheInstance::create(&plugin, lab.host.environment(), &Settings::default()).unwrap();
        assert_eq!(cache.get(b"k").wait(PATIENCE).unwrap(), Ok(None));
        assert_eq!(cache.health().unwrap_err().to_string(), "call.unavailable: no memory left");
        assert_eq!(cache.set(b"k", b"v", Some(Duration::from_secs(1))).wait(PATIENCE).unwrap(), Ok(()));
        assert_eq!(cache.get(b"k").wait(PATIENCE).unwrap(), Ok(Some(b"v".to_vec())));
        cache.health().unwrap();
        assert_eq!(cache.remove(b"k").wait(PATIENCE).unwrap(), Ok(true));
        assert_eq!(cache.remove(b"k").wait(PATIENCE).unwrap(), Ok(false));
        let error = cache.set(&[b'x'; 65], b"v", None).wait(PATIENCE).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "call.limit-exceeded: the key is too long");
    }
}

fn marker(lab: &Lab, log: Option<plugin_host::LogFunction>) -> MiddlewareInstance {
    let plugin = lab.load(&lab.compile("marker.so", "tests/it/plugins/middleware.c", &[])).unwrap();
    let settings = Settings { log, ..Settings::default() };
    MiddlewareInstance::create(&plugin, lab.host.environment(), &settings).unwrap()
}

#[test]
fn middlewares_edit_requests_and_responses() {
    let lab = Lab::new();
    let middleware = marker(&lab, None);
    let request = get("/");
    let Before::Continue { edits, ticket } = middleware.before(&request).unwrap() else { panic!("answered") };
    assert_eq!(
        edits,
        [
            RequestEdit::SetHeader("x-seen".into(), b"yes".to_vec()),
            RequestEdit::AddHeader("x-more".into(), b"1".to_vec()),
            RequestEdit::RemoveHeader("cookie".into()),
            RequestEdit::SetTarget("/inner".into(), Some("a=1".into())),
            RequestEdit::SetPeer("198.51.100.1:80".parse().unwrap()),
        ]
    );
    let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = vec![field("x-a", "old"), field("x-c", "3"), field("x-a", "older"), field("x-b", "1")];
    let mut response = Response { status: 200, headers, body: b"body".to_vec() };
    ticket.after(&request, &mut response).unwrap();
    let headers = vec![field("x-b", "1"), field("x-a", "new"), field("x-b", "2")];
    assert_eq!(response, Response { status: 201, headers, body: b"changed".to_vec() });
}

#[test]
fn middlewares_answer_themselves_or_fail() {
    let lab = Lab::new();
    let middleware = marker(&lab, None);
    let Before::Answered(response) = middleware.before(&get("/teapot")).unwrap() else { panic!("continued") };
    assert_eq!(response.status, 418);
    assert_eq!(middleware.before(&get("/broken")).unwrap_err().to_string(), "call.failed: it is broken");
}

#[test]
fn every_state_of_a_middleware_comes_back_once() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn keep(_: &str, _: LogLevel, line: &str) {
        LINES.lock().unwrap().push(line.to_owned());
    }
    let lab = Lab::new();
    let middleware = marker(&lab, Some(keep));
    let Before::Continue { ticket, .. } = middleware.before(&get("/")).unwrap() else { panic!("answered") };
    ticket.after(&get("/"), &mut Response::default()).unwrap();
    drop(middleware.before(&get("/")).unwrap());
    // Its edits are refused, so the request does not go on; its state comes back all the same.
    assert_eq!(middleware.before(&get("/forbidden")).unwrap_err().code(), "call.invalid-argument");
    assert_eq!(*LINES.lock().unwrap(), ["ended", "aborted", "aborted"]);
}

#[test]
fn resolvers_find_upstreams_and_hear_of_failures() {
    let lab = Lab::new();
    let plugin = lab.load(&lab.compile("book.so", "tests/it/plugins/resolver.c", &[])).unwrap();
    let resolver = ResolverInstance::create(&plugin, lab.host.environment(), &Settings::default()).unwrap();
    assert_eq!(resolver.resolve("other.test", None).unwrap(), Resolved::NotFound);
    let Resolved::Upstreams(upstreams) = resolver.resolve("known.test", None).unwrap() else { panic!() };
    assert_eq!(upstreams[0].address, UpstreamAddress::Ip("10.0.0.1:8080".parse().unwrap()));
    assert_eq!(
        (&upstreams[1].address, upstreams[1].name.as_str()),
        (&UpstreamAddress::Unix, "/run/app.sock")
    );
    for host in ["empty.test", "weightless.test"] {
        assert_eq!(resolver.resolve(host, None).unwrap_err().code(), "call.invalid-argument", "{host}");
    }

    assert_eq!(resolver.resolve("later.test", None).unwrap_err().code(), "call.unavailable");
    let woken = Arc::new(AtomicUsize::new(0));
    let wake = Arc::clone(&woken);
    let wake: plugin_host::Wake = Box::new(move || {
        wake.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(resolver.resolve("later.test", Some(wake)).unwrap(), Resolved::Pending);
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert!(matches!(resolver.resolve("later.test", None).unwrap(), Resolved::Upstreams(_)));

    resolver.report("known.test", &upstreams[0], Outcome::Answered);
    resolver.report("known.test", &upstreams[0], Outcome::TimedOut);
    let Resolved::Upstreams(left) = resolver.resolve("known.test", None).unwrap() else { panic!() };
    assert_eq!(left, upstreams[1..]);
}

#[test]
fn showcases_are_told_of_the_host() {
    let lab = Lab::new();
    let plugin = lab.load(&lab.compile("mirror.so", "tests/it/plugins/showcase.c", &[])).unwrap();
    let showcase = ShowcaseInstance::create(&plugin, lab.host.environment(), &Settings::default()).unwrap();
    let expected = format!("{} gnu, 1 labels, some cores, some memory", std::env::consts::ARCH);
    assert_eq!(showcase.describe().unwrap(), expected);
}

#[test]
fn a_plugin_is_not_used_for_what_it_is_not() {
    let lab = Lab::new();
    let plugin = lab.load(&lab.compile("cache.so", "tests/it/plugins/cache.c", &[])).unwrap();
    let error = HandlerInstance::create(&plugin, lab.host.environment(), &Settings::default()).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("abi.kind", "is a cache plugin and cannot be used as a handler")
    );
}
