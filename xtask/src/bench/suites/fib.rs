//! What a cache is worth to fib-demo, and how near it comes to what its parts can do.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bench_driver::{Ask, Beside, Copy, Load, Once, Program, Protocol};

use super::programs::{PORT, ask, ask_ip, foreground, libraries, peer};
use super::server::with_ip;
use crate::bench::bed::Bed;
use crate::bench::http_suite::{Generator, HttpSubject, HttpSuite};
use crate::bench::metric::Metric;
use crate::bench::raw::{Comparison, Sample, Series, Subject, Suite};
use crate::bench::rounds;

const REDIS: &str = "redis";

/// Images of peers.
pub(super) const PEERS: &[&str] = &[REDIS];

const NAME: &str = "fib";
const REDIS_PORT: u16 = 6379;
const PLUGIN: &str = "/tmp/cache.so";
/// What is asked under load: so easy that without a cache it is the way that counts, and not the computation.
const EASY: (u32, &str) = (15, "610");
/// A third of a second of work.
const HARD: (u32, &str) = (40, "102334155");
/// What [`HARD`] is called when it is asked for the first time, and for the second.
const FIRST_AND_SECOND: (&str, &str) = ("first-40", "second-40");
const PATIENCE_SECONDS: f64 = 60.0;

/// Takes all samples: under load, then of a first and a second answer.
pub(super) fn measure(bed: &Bed<'_>) -> Result<Suite> {
    Ok(suite(bed)?.measure(bed)?.joined(twice(bed)?))
}

fn suite(bed: &Bed<'_>) -> Result<HttpSuite> {
    let ours = |name, is: &str, cache| {
        Ok::<_, anyhow::Error>(HttpSubject::new(name, is, fib_demo(bed, cache)?, fib(EASY)))
    };
    let redis_itself = HttpSubject {
        generator: Generator::RedisBenchmark {
            program: bed.peer(REDIS, "usr/bin/redis-benchmark"),
            env: [libraries(bed, REDIS)].into(),
            value_bytes: EASY.1.len(),
        },
        ..HttpSubject::new(
            "redis-benchmark",
            "Redis itself, on the cores of servers, and its own load generator: unpipelined GETs over as many connections",
            redis(bed),
            ping(),
        )
    };
    Ok(HttpSuite {
        name: NAME,
        question: "What do answers from a cache cost that was chosen at the start, against one that costs nothing to find and against Redis itself? `GET /fib/15` is \
                   asked, and in the cache after the first time. Redis runs on the cores of the load generator, but where it is measured itself.",
        connections: 64,
        new_connections: None,
        subjects: vec![
            ours("none", "`fib-demo` without a cache: computed each time", None)?,
            ours("memory", "`fib-demo` with the plugin `memory`", Some("memory"))?,
            ours("redis", "`fib-demo` with the plugin `redis`", Some("redis"))?
                .beside(vec![Beside { program: redis(bed), listens: ping().address }]),
            HttpSubject::new("ip", "`dyn-server` with the plugin `ip`", with_ip(bed)?, ask_ip()),
            redis_itself.of_image(REDIS),
        ],
        comparisons: vec![
            ("memory", "ip"),
            ("redis", "redis-benchmark"),
            ("memory", "none"),
            ("redis", "memory"),
            ("memory", "memory"),
        ],
    })
}

/// The demonstration: the same number, asked for twice.
fn twice(bed: &Bed<'_>) -> Result<Suite> {
    let (first, second) = FIRST_AND_SECOND;
    let subject = HttpSubject::new(first, "", fib_demo(bed, Some("memory"))?, fib(EASY));
    let names = [first, second];
    let comparisons = Comparison::list(NAME, &[(second, first)], &names)?;
    let bar = bed.progress(2 * u64::from(bed.rounds), &format!("{NAME} twice"));
    let samples = rounds::run(&names, &comparisons, bed.rounds, |turn| {
        let before = u32::from(turn.subject == second);
        let load = Once { ask: fib(HARD), before, patience_seconds: PATIENCE_SECONDS };
        let taken = subject.sample(bed, Load::Once(load)).with_context(|| turn.subject.to_owned())?;
        bar.inc(1);
        Ok(only_its_time(taken))
    })?;
    let is = |name: &str, is: &str| Subject {
        name: name.to_owned(),
        is: is.to_owned(),
        command: subject.program.argv.clone(),
        image_digest: None,
    };
    Ok(Suite {
        format: crate::bench::raw::FORMAT,
        name: NAME.to_owned(),
        question: String::new(),
        subjects: vec![
            is(first, "`GET /fib/40` of a `fib-demo` with the plugin `memory` that was just started"),
            is(second, "the same once more"),
        ],
        comparisons,
        series: vec![Series {
            name: "twice".to_owned(),
            how: "One request, on a connection of its own; each sample starts the server anew.".to_owned(),
            command: Vec::new(),
            metrics: vec![Metric::WallSeconds],
            axis: None,
            samples,
        }],
    })
}

/// Of one request nothing else means anything.
fn only_its_time(sample: Sample) -> Sample {
    let time = sample.values.get(&Metric::RequestsPerSecond).map(|rate| (Metric::WallSeconds, 1.0 / rate));
    Sample { failed: sample.failed, values: time.into_iter().collect(), ..Sample::default() }
}

fn fib((number, result): (u32, &str)) -> Ask {
    ask(&format!("/fib/{number}"), "application/json", &format!("{{\"result\": {result}}}"))
}

/// Redis answers, and is not asked what it has: the generator sees to that.
fn ping() -> Ask {
    Ask {
        address: ([127, 0, 0, 1], REDIS_PORT).into(),
        path: "PING".to_owned(),
        content_type: String::new(),
        body: "PONG".to_owned(),
        protocol: Protocol::Redis,
        hosts: None,
    }
}

fn redis(bed: &Bed<'_>) -> Program {
    let port = REDIS_PORT.to_string();
    // Nothing is written to a disk.
    let words = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"];
    peer(bed, REDIS, "usr/bin/redis-server", &words.map(str::to_owned))
}

/// Without its access log, as none of the others writes one; nothing expires meanwhile.
fn fib_demo(bed: &Bed<'_>, cache: Option<&str>) -> Result<Program> {
    let threads = bed.server_cores.len().to_string();
    let words = [
        "--port",
        PORT,
        "--admin",
        "off",
        "--access-log",
        "off",
        "--cache-expiration",
        "1440m",
        "--threads",
        &threads,
    ];
    let mut argv = vec![bed.program("fib-demo")?];
    argv.extend(words.map(str::to_owned));
    let mut copies = Vec::new();
    if let Some(cache) = cache {
        copies.push(Copy { from: bed.program(cache)?, to: PLUGIN.to_owned() });
        argv.extend(["--cache-plugin-path".to_owned(), PLUGIN.to_owned()]);
    }
    let env = BTreeMap::from([("REDIS_ADDR".to_owned(), format!("127.0.0.1:{REDIS_PORT}"))]);
    Ok(Program { argv, env, copies, ..foreground() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_request_its_time_is_kept() {
        let taken = Sample {
            values: BTreeMap::from([(Metric::RequestsPerSecond, 4.0), (Metric::StartSeconds, 1.0)]),
            percentiles: vec![(100.0, 0.25)],
            ..Sample::default()
        };
        let kept = only_its_time(taken);
        assert_eq!(kept.values, BTreeMap::from([(Metric::WallSeconds, 0.25)]));
        assert!(kept.percentiles.is_empty());
        let failed = Sample { failed: Some("why".into()), ..Sample::default() };
        assert_eq!(only_its_time(failed.clone()), failed);
    }

    #[test]
    fn the_right_answer_is_known() {
        let ask = fib(HARD);
        assert_eq!((ask.path.as_str(), ask.body.as_str()), ("/fib/40", "{\"result\": 102334155}"));
    }
}
