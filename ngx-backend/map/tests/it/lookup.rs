//! Hosts, wildcards, defaults; in base and delta.

use super::{entry, find, publish_base, publish_changes, publisher, reader, upstreams};
use backend_map::Host;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn the_most_exact_pattern_counts_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    publish_base(
        &mut publisher,
        &[
            entry("www.example.com", "192.0.2.1:1"),
            entry("*.example.com", "192.0.2.2:1"),
            entry("*.deep.example.com", "192.0.2.3:1"),
            entry("[2001:db8::1]", "192.0.2.4:1"),
        ],
    );
    let (reader, _) = reader(folder.path());
    let check = |expected: &[(&str, Option<&str>)]| {
        for (host, address) in expected {
            assert_eq!(find(&reader, host).as_deref(), *address, "{host}");
        }
    };
    check(&[
        ("WWW.Example.com.:80", Some("192.0.2.1:1")),
        ("a.example.com", Some("192.0.2.2:1")),
        ("a.b.example.com", Some("192.0.2.2:1")),
        ("a.b.deep.example.com", Some("192.0.2.3:1")),
        ("deep.example.com", Some("192.0.2.2:1")),
        ("example.com", None),
        ("[2001:DB8:0::1]:80", Some("192.0.2.4:1")),
        ("192.0.2.1", None),
    ]);
    publish_changes(
        &mut publisher,
        &[
            ("www.example.com", None),
            ("*.deep.example.com", None),
            ("*", Some("192.0.2.9:1")),
            ("a.example.com", Some("192.0.2.8:1")),
            ("*.com", Some("192.0.2.7:1")),
        ],
    );
    check(&[
        ("www.example.com", Some("192.0.2.2:1")),
        ("a.b.deep.example.com", Some("192.0.2.2:1")),
        ("a.example.com", Some("192.0.2.8:1")),
        ("example.com", Some("192.0.2.7:1")),
        ("other.org", Some("192.0.2.9:1")),
        ("192.0.2.1", Some("192.0.2.9:1")),
    ]);
}

#[test]
fn all_upstreams_of_a_host_come_with_their_weights_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    let list = upstreams(&[("192.0.2.1:1", 65_535), ("[2001:db8::1]:2", 1), ("unix:/run/app.sock", 7)]);
    let mut base = publisher.new_base().unwrap();
    base.add(&super::pattern("a.example"), &list).unwrap();
    publisher.publish(Some(base.finish().unwrap()), []).unwrap();
    let (reader, _) = reader(folder.path());
    let host = Host::parse(b"a.example").unwrap();
    let found: Vec<_> =
        reader.find(&host, |found| found.unwrap().map(|upstream| upstream.to_upstream()).collect()).unwrap();
    assert_eq!(found, list[..]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Small names, so that they meet.
    #[test]
    fn tables_say_what_a_map_says(
        base in prop::collection::btree_map("([ab]{1,2}\\.){0,2}[a-d]{1,2}", 1..60_000_u16, 0..300),
        changes in prop::collection::btree_map("([ab]{1,2}\\.){0,2}[a-d]{1,2}", prop::option::of(1..60_000_u16), 0..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut publisher = publisher(folder.path());
        let address = |port: &u16| format!("192.0.2.1:{port}");
        let entries: Vec<_> = base.iter().map(|(host, port)| entry(host, &address(port))).collect();
        publish_base(&mut publisher, &entries);
        let texts: Vec<_> = changes.iter().map(|(host, port)| (host, port.as_ref().map(address))).collect();
        let changed: Vec<_> = texts.iter().map(|(host, address)| (host.as_str(), address.as_deref())).collect();
        publish_changes(&mut publisher, &changed);
        let (reader, _) = reader(folder.path());
        let mut expected: BTreeMap<_, _> = base.iter().map(|(host, port)| (host, Some(address(port)))).collect();
        expected.extend(texts.iter().cloned());
        for (host, address) in expected {
            prop_assert_eq!(find(&reader, host), address, "{}", host);
            prop_assert_eq!(find(&reader, &format!("{host}.x")), None);
        }
    }
}
