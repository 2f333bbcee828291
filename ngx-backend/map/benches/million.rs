//! A table of a million hosts of about 40 bytes: how long it takes to build, to open, and to look a host up; and its size.

use backend_map::{Access, Host, Pattern, Publisher, Reader, Tables, Upstream, Upstreams};
use criterion::Criterion;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::Instant;

const HOSTS: u32 = 1_000_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut publisher = Publisher::open(folder.path(), Access::default()).expect("a publisher");
    let started = Instant::now();
    let mut base = publisher.new_base().expect("a base");
    for number in 0..HOSTS {
        let pattern = Pattern::parse(&name(number)).expect("a pattern");
        base.add(&pattern, &upstreams(number)).expect("an entry");
    }
    publisher.publish(Some(base.finish().expect("a file")), []).expect("a publication");
    println!("rebuilt in {:.2} s, {:.1} bytes a host", started.elapsed().as_secs_f64(), size(folder.path()));

    let mut criterion = Criterion::default().configure_from_args();
    criterion
        .bench_function("open", |bench| bench.iter(|| Tables::load(folder.path(), None).expect("tables")));
    let changes: Vec<_> = (0..1_000).map(|number| (pattern(number), upstreams(number + 1))).collect();
    criterion.bench_function("publish a delta of 1000", |bench| {
        bench.iter(|| publisher.publish(None, changes.iter().map(|(one, list)| (one, Some(list)))))
    });
    let reader = Reader::new(folder.path(), |_| {});
    let mut random = 1_u32;
    let hosts: Vec<_> = (0..1 << 18).map(|_| name(step(&mut random) % HOSTS)).collect();
    let mut at = 0;
    criterion.bench_function("look up a host that is there", |bench| {
        bench.iter(|| {
            at = (at + 1) % hosts.len();
            let host = Host::parse(hosts[at].as_bytes()).expect("a host");
            reader.find(&host, |found| assert!(found.is_some())).expect("a table")
        });
    });
    criterion.bench_function("look up a host that is not there", |bench| {
        bench.iter(|| {
            let host = format!("{}.x", hosts[step(&mut random) as usize % hosts.len()]);
            let host = Host::parse(host.as_bytes()).expect("a host");
            reader.find(&host, |found| assert!(found.is_none())).expect("a table");
        });
    });
}

fn name(number: u32) -> String {
    format!("customer-{number:08}.sites.hosting.example")
}

fn pattern(number: u32) -> Pattern {
    Pattern::parse(&name(number)).expect("a pattern")
}

fn upstreams(number: u32) -> Upstreams {
    let [_, a, b, c] = number.to_be_bytes();
    let address = format!("10.{a}.{b}.{c}:8080").parse().expect("an address");
    Upstreams::new(vec![Upstream { address, weight: NonZeroU16::MIN }]).expect("a list")
}

/// A linear congruential generator; its upper bits are random enough.
fn step(state: &mut u32) -> u32 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *state >> 4
}

fn size(folder: &Path) -> f64 {
    let files = std::fs::read_dir(folder).expect("the folder").flatten();
    files.map(|file| file.metadata().map_or(0, |it| it.len())).sum::<u64>() as f64 / f64::from(HOSTS)
}
