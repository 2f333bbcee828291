//! What is published is found by readers, and what is garbled hurts nobody.

mod garbled;
mod lookup;
mod publish;

use backend_map::{Access, Entry, Event, Host, Pattern, Publisher, Reader, Upstream, Upstreams};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn upstreams(list: &[(&str, u16)]) -> Upstreams {
    let upstream = |(address, weight): &(&str, u16)| Upstream {
        address: address.parse().unwrap(),
        weight: NonZeroU16::new(*weight).unwrap(),
    };
    Upstreams::new(list.iter().map(upstream).collect()).unwrap()
}

fn entry(text: &str, address: &str) -> Entry {
    Entry { pattern: pattern(text), upstreams: upstreams(&[(address, 1)]) }
}

fn publisher(directory: &Path) -> Publisher {
    Publisher::open(directory, Access::default()).unwrap()
}

/// Publishes these as a base.
fn publish_base(publisher: &mut Publisher, entries: &[Entry]) {
    let mut base = publisher.new_base().unwrap();
    entries.iter().for_each(|entry| base.add(&entry.pattern, &entry.upstreams).unwrap());
    let base = base.finish().unwrap();
    assert_eq!(base.entries(), entries.len() as u64);
    publisher.publish(Some(base), []).unwrap();
}

fn publish_changes(publisher: &mut Publisher, changes: &[(&str, Option<&str>)]) {
    let changes: Vec<_> = changes
        .iter()
        .map(|(text, address)| (pattern(text), address.map(|address| upstreams(&[(address, 1)]))))
        .collect();
    publisher
        .publish(None, changes.iter().map(|(pattern, upstreams)| (pattern, upstreams.as_ref())))
        .unwrap();
}

/// A reader, and what it tells.
fn reader(directory: &Path) -> (Reader, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    (Reader::new(directory, move |event| told.lock().unwrap().push(event.clone())), events)
}

/// The first upstream of a host.
fn find(reader: &Reader, host: &str) -> Option<String> {
    let host = Host::parse(host.as_bytes()).unwrap();
    reader
        .find(&host, |found| found.map(|mut found| found.next().unwrap().to_upstream().address.to_string()))
        .unwrap()
}

/// Waits until `condition` holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}
