//! A table of a million hosts of about 40 bytes: how long it takes to build, to open, and to look a host up; and its size.

use backend_map::{Access, Host, Pattern, Publisher, Reader, Tables, Upstream, Upstreams};
use criterion::Criterion;
use rustix::time::{clock_gettime, ClockId};
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

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
    let absent: Vec<_> = hosts.iter().map(|host| format!("{host}.x")).collect();
    for (names, are_there) in [(&hosts, true), (&absent, false)] {
        let looked_up = rounds(|| {
            for name in names {
                let host = Host::parse(name.as_bytes()).expect("a host");
                reader.find(&host, |found| assert_eq!(found.is_some(), are_there)).expect("a table");
            }
        });
        let parsed = rounds(|| {
            for name in names {
                std::hint::black_box(Host::parse(name.as_bytes()).expect("a host"));
            }
        });
        let a_host = |time: Duration| time.as_secs_f64() * 1e9 / names.len() as f64;
        println!(
            "look up hosts that are {}there: {:.0} ns of processor time each, {:.0} of them to read the name",
            if are_there { "" } else { "not " },
            a_host(looked_up),
            a_host(parsed)
        );
    }
}

/// The median of the processor time of several rounds. Not the time on the clock, which other processes share.
fn rounds(mut round: impl FnMut()) -> Duration {
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let before = processor_time();
            round();
            processor_time() - before
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
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
