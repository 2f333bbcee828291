//! The plugin through the contract's tables, as a host drives it.

mod system_calls;

use backend_map::{Access, Pattern, Publisher, Upstream, Upstreams};
use plugin_host::{LogLevel, Resolved, ResolverInstance, Status, UpstreamAddress};
use plugin_testing::resolver;
use snapshot_resolver::PLUGIN;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn keep(_: &str, level: LogLevel, line: &str) {
    LINES.lock().unwrap().push(format!("{level:?} {line}"));
}

fn instance(path: &Path) -> ResolverInstance {
    resolver(&PLUGIN, &format!(r#"{{"path": "{}"}}"#, path.display()), Some(keep)).unwrap()
}

fn publish(publisher: &mut Publisher, entries: &[(&str, &[(&str, u16)])]) {
    let mut base = publisher.new_base().unwrap();
    for (pattern, list) in entries {
        let upstream = |(address, weight): &(&str, u16)| Upstream {
            address: address.parse().unwrap(),
            weight: NonZeroU16::new(*weight).unwrap(),
        };
        let list = Upstreams::new(list.iter().map(upstream).collect()).unwrap();
        base.add(&Pattern::parse(pattern).unwrap(), &list).unwrap();
    }
    publisher.publish(Some(base.finish().unwrap()), []).unwrap();
}

fn resolve(resolver: &ResolverInstance, host: &str) -> Resolved {
    resolver.resolve(host, None).unwrap()
}

fn addresses(resolved: Resolved) -> Vec<(String, u32)> {
    let Resolved::Upstreams(list) = resolved else { return Vec::new() };
    let shown = |address: UpstreamAddress, name: String| match address {
        UpstreamAddress::Ip(address) => address.to_string(),
        UpstreamAddress::Unix => format!("unix:{name}"),
    };
    list.into_iter().map(|upstream| (shown(upstream.address, upstream.name), upstream.weight)).collect()
}

#[test]
fn hosts_are_found_with_all_their_upstreams_and_changes_are_seen_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::open(folder.path(), Access::default()).unwrap();
    let list: &[(&str, u16)] =
        &[("192.0.2.1:80", 3), ("[2001:db8::1]:8080", 1), ("unix:/run/app.sock", 65_535)];
    publish(&mut publisher, &[("www.example.com", list), ("*.example.com", &[("192.0.2.2:80", 1)])]);
    let resolver = instance(folder.path());
    resolver.health().unwrap();
    let expected: Vec<_> =
        list.iter().map(|(text, weight)| ((*text).to_owned(), u32::from(*weight))).collect();
    assert_eq!(addresses(resolve(&resolver, "www.example.com")), expected);
    assert_eq!(addresses(resolve(&resolver, "WWW.example.com.:80")), expected);
    assert_eq!(addresses(resolve(&resolver, "a.b.example.com")), [("192.0.2.2:80".to_owned(), 1)]);
    for host in ["example.com", "", "a..b", "a/b", "bücher.example"] {
        assert_eq!(resolve(&resolver, host), Resolved::NotFound, "{host}");
    }
    publish(&mut publisher, &[("example.com", &[("192.0.2.3:80", 1)])]);
    assert_eq!(resolve(&resolver, "www.example.com"), Resolved::NotFound);
    assert_eq!(addresses(resolve(&resolver, "example.com")), [("192.0.2.3:80".to_owned(), 1)]);
}

#[test]
fn a_missing_or_bad_table_is_told_once_and_recovered_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map");
    let lines = || {
        let lines = LINES.lock().unwrap();
        let of_this_test =
            |line: &&String| line.contains(path.to_str().unwrap()) || line.contains("publication");
        lines.iter().filter(of_this_test).cloned().collect::<Vec<_>>()
    };
    let resolver = instance(&path);
    let error = resolver.resolve("a", None).unwrap_err();
    assert_eq!(error.status, Status::UNAVAILABLE);
    assert!(error.message.contains("map/control: No such file"), "{}", error.message);
    assert_eq!(resolver.health().unwrap_err().message, error.message);
    let missing = format!("Error has no table to look up in: {}", error.message);
    assert_eq!(lines().iter().filter(|line| **line == missing).count(), 1);

    let mut publisher = Publisher::open(&path, Access::default()).unwrap();
    publish(&mut publisher, &[("a", &[("192.0.2.1:80", 1)])]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while resolver.resolve("a", None).is_err() {
        assert!(Instant::now() < deadline);
    }
    resolver.health().unwrap();

    publish(&mut publisher, &[("a", &[("192.0.2.9:80", 1)])]);
    std::fs::remove_file(path.join("delta")).unwrap();
    assert_eq!(
        addresses(resolve(&resolver, "a")),
        [("192.0.2.1:80".to_owned(), 1)],
        "the last good one stays"
    );
    let reason = resolver.health().unwrap_err().message;
    assert!(reason.contains("cannot open") && reason.contains("map/delta: No such file"), "{reason}");
    let refused = format!("Error goes on with publication 1: {reason}");
    assert_eq!(lines().iter().filter(|line| **line == refused).count(), 1, "{:#?}", lines());
}

#[test]
fn wrong_settings_are_named() {
    for (settings, part) in [
        ("", "path: ``; write the absolute path"),
        (r#"{"path": "map"}"#, "path: `map`; write the absolute path"),
        (r#"{"paht": "/map"}"#, "unknown field `paht`, expected `path`"),
    ] {
        let error = resolver(&PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}
