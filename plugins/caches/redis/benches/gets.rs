//! Hits a second through the contract's table, beside those that `redis-benchmark` reaches with as many clients.
//!
//! `cargo bench --package redis-cache`. Needs what the tests need. Both talk to the same Redis over its unix socket; rounds
//! alternate, so that a busy machine slows both. `redis-benchmark` has a connection for each client and sends one command at a time on
//! each; the plugin has as many calls open on its one.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use plugin_host::{CacheInstance, HostEnvironment, Plugin, Settings};
use test_services::Redis;

/// Clients, and calls that are open at once.
const CLIENTS: usize = 200;
const THREADS: usize = 2;
const CALLS: usize = 200_000;
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return println!("skipped: {}", missing.0),
    };
    redis.command(&["SET", "key:__rand_int__", "xxx"]);
    let plugin = Plugin::linked(&redis_cache::PLUGIN).expect("the plugin keeps to the contract");
    let host = HostEnvironment::gather(BTreeMap::new(), String::new());
    let config = format!(r#"{{"address": "unix://{}", "required": true}}"#, redis.socket().display());
    let settings = Settings { config: config.into_bytes(), ..Settings::default() };
    let cache = CacheInstance::create(&plugin, &host, &settings).expect("an instance");
    cache.set(b"k", b"xxx", None).wait(PATIENCE).expect("an answer").expect("it is stored");
    for _ in 0..ROUNDS {
        let plugin = through_the_plugin(&cache);
        let benchmark = redis.benchmark(CLIENTS, CALLS);
        println!(
            "{CLIENTS} at once: plugin {plugin:.0} hits/s, redis-benchmark {benchmark:.0} GETs/s, ratio {:.2}",
            plugin / benchmark
        );
    }
}

fn through_the_plugin(cache: &CacheInstance) -> f64 {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut open = VecDeque::new();
                for _ in 0..CALLS / THREADS {
                    if open.len() == CLIENTS / THREADS {
                        finish(open.pop_front());
                    }
                    open.push_back(cache.get(b"k"));
                }
                while !open.is_empty() {
                    finish(open.pop_front());
                }
            });
        }
    });
    CALLS as f64 / started.elapsed().as_secs_f64()
}

type Got = plugin_host::Reply<Result<Option<Vec<u8>>, plugin_host::CallError>>;

fn finish(reply: Option<Got>) {
    let value = reply.expect("a call is open").wait(PATIENCE).expect("an answer").expect("a reply of Redis");
    assert_eq!(value.as_deref(), Some(&b"xxx"[..]));
}
