//! A table of a million hosts of about 40 bytes: how long it takes to build, to open, and to look a host up; and its size.

use backend_map::{Access, Host, Pattern, Publisher, Reader, Tables, Upstream, Upstreams};
use criterion::Criterion;
use rustix::time::{clock_gettime, ClockId};
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

const HOSTS: u32 = 1_000_000;
/// Lookups that are timed together.
const ROUND: u32 = 1 << 18;

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
    for (kind, are_there) in [(b"customer-", true), (b"consumer-", false)] {
        let looked_up = rounds(|number| {
            let host = Host::parse(&asked_name(kind, number)).expect("a host");
            reader.find(&host, |found| assert_eq!(found.is_some(), are_there)).expect("a table");
        });
        let parsed = rounds(|number| {
            std::hint::black_box(Host::parse(&asked_name(kind, number)).expect("a host"));
        });
        println!(
            "look up hosts that are {}there: {looked_up:.0} ns of processor time each, {parsed:.0} of them to make and read the name",
            if are_there { "" } else { "not " },
        );
    }
}

/// The median, in nanoseconds, of the processor time that `once` takes with random numbers of hosts. Not the time on the clock, which
/// other processes share.
fn rounds(mut once: impl FnMut(u32)) -> f64 {
    let mut random = 1;
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let before = processor_time();
            for _ in 0..ROUND {
                once(step(&mut random) % HOSTS);
            }
            (processor_time() - before).as_secs_f64() * 1e9 / f64::from(ROUND)
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// As [`name`], in a buffer that stays in the cache, as that of a request does: a list of names would drive the table out of it.
fn asked_name(kind: &[u8; 9], number: u32) -> [u8; 39] {
    let mut name = *b"customer-00000000.sites.hosting.example";
    name[..9].copy_from_slice(kind);
    let mut left = number;
    for digit in name[9..17].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    name
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
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
