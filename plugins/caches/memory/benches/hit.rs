//! What a hit costs: within the plugin, and through the contract's table with the host's copy of the value.
//!
//! `cargo bench --package memory-cache`. The row `nothing` is the price of the way alone: a key that is not there.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{criterion_group, criterion_main, BatchSize, Criterion};
use plugin_host::{CacheInstance, HostEnvironment, Plugin, Settings};

fn hits(criterion: &mut Criterion) {
    let plugin = Plugin::linked(&memory_cache::PLUGIN).expect("the plugin keeps to the contract");
    let host = HostEnvironment::gather(BTreeMap::new(), String::new());
    let cache = CacheInstance::create(&plugin, &host, &Settings::default()).expect("an instance");
    let wait = |reply: plugin_host::Reply<_>| reply.wait(Duration::ZERO).expect("an answer at once");
    for number in 0..10_000_u32 {
        let lifetime = Some(Duration::from_secs(600));
        cache
            .set(&number.to_be_bytes(), &[b'v'; 64], lifetime)
            .wait(Duration::ZERO)
            .expect("at once")
            .expect("kept");
    }
    let mut group = criterion.benchmark_group("cache");
    let mut number = 0_u32;
    let mut next = move || {
        number = (number + 7_919) % 10_000;
        number.to_be_bytes()
    };
    group.bench_function("hit", |bencher| {
        bencher.iter_batched(&mut next, |key| black_box(wait(cache.get(&key))), BatchSize::SmallInput);
    });
    group.bench_function("nothing", |bencher| {
        bencher.iter(|| black_box(wait(cache.get(black_box(b"not there")))));
    });
    group.bench_function("set", |bencher| {
        let lifetime = Some(Duration::from_secs(600));
        bencher.iter_batched(
            &mut next,
            |key| black_box(cache.set(&key, &[b'w'; 64], lifetime).wait(Duration::ZERO)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, hits);
criterion_main!(benches);
