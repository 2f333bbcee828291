//! What is told of good servers, bad ones and servers that are asked too much.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use bench_driver::{
    Ask, Beside, ConstantRate, Copy, Load, Once, Order, Outcome, Program, Protocol, RedisBenchmark, Saturate,
    TextFile, Unmeasured, take,
};

use crate::rude_server::{ADDRESS, BEHAVIOUR, BODY, run_if_asked};

/// Not a test: with the environment of [`order`] this program is the server.
#[test]
fn serve() {
    run_if_asked();
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn order(behaviour: &str, load: Load) -> Order {
    let address = free_address();
    let myself = std::env::current_exe().unwrap().display().to_string();
    let argv = [&myself, "--exact", "samples::serve", "--nocapture"].map(|word| word.to_string());
    let env = [(BEHAVIOUR, behaviour.to_owned()), (ADDRESS, address.to_string())];
    Order {
        server: Program {
            argv: argv.into(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            patience_seconds: 30.0,
            ..Program::default()
        },
        ask: Ask {
            address,
            path: "/right".to_owned(),
            content_type: "application/json".to_owned(),
            body: BODY.to_owned(),
            protocol: Protocol::Http,
            hosts: None,
        },
        beside: Vec::new(),
        load,
    }
}

fn at_rate(per_second: f64, connections: usize) -> Load {
    Load::ConstantRate(ConstantRate {
        per_second,
        connections,
        threads: 1,
        seconds: 1.0,
        warm_up_seconds: 0.2,
        cores: Vec::new(),
    })
}

fn percentiles(outcome: &Outcome) -> BTreeMap<String, f64> {
    outcome.percentiles.iter().map(|(percent, value)| (percent.to_string(), *value)).collect()
}

#[test]
fn every_request_that_is_due_is_sent_and_counted() {
    let outcome = take(&order("good", at_rate(500.0, 4))).unwrap();
    assert_eq!((outcome.failed.as_deref(), outcome.requests, outcome.processes), (None, 500, 1));
    assert!(outcome.peak_rss_bytes > 100_000 && outcome.start_seconds > 0.0, "{outcome:?}");
    let percentiles = percentiles(&outcome);
    assert!(percentiles["50"] <= percentiles["99"] && percentiles["99"] <= percentiles["100"], "{outcome:?}");
    assert!(outcome.late_p99_seconds.is_some());
}

/// Requests that were due while the server stood still have waited from when they were due, not from when a connection was free.
#[test]
fn a_stall_is_seen_by_all_who_would_have_waited() {
    let outcome = take(&order("stalls", at_rate(500.0, 2))).unwrap();
    assert_eq!((outcome.failed.as_deref(), outcome.requests), (None, 500));
    // Of 400 ms without answers a tenth of all requests has waited more than 300 ms, and two connections alone would be two requests.
    let percentiles = percentiles(&outcome);
    assert!(percentiles["90"] > 0.2, "{outcome:?}");
}

#[test]
fn a_server_that_fails_under_load_fails_the_sample() {
    let cases = [
        ("fails-later", "an answer was 500"),
        ("closes-later", "a connection failed"),
        ("dies-later", "a connection failed"),
    ];
    for (behaviour, why) in cases {
        let outcome = take(&order(behaviour, at_rate(500.0, 2))).unwrap();
        let failed = outcome.failed.unwrap_or_default();
        assert!(failed.contains(why), "{behaviour}: {failed}");
    }
}

#[test]
fn a_server_that_is_not_the_right_one_is_not_measured() {
    let cases = [
        ("wrong", "/right is answered 200 application/json \"{\\\"right\\\": false}\""),
        ("ends", "I do not want to"),
    ];
    for (behaviour, complaint) in cases {
        let error = take(&order(behaviour, at_rate(100.0, 1))).unwrap_err();
        assert!(matches!(error, Unmeasured::Server(_)) && error.to_string().contains(complaint), "{error}");
    }
}

#[test]
fn files_are_there_before_the_server_starts() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("from"), "copied").unwrap();
    let mut order = order("good", at_rate(100.0, 1));
    order.server.texts = vec![TextFile { path: path("sub/text"), text: "written".to_owned() }];
    order.server.copies = vec![Copy { from: path("from"), to: path("sub/deeper/copy") }];
    take(&order).unwrap();
    assert_eq!(std::fs::read_to_string(path("sub/text")).unwrap(), "written");
    assert_eq!(std::fs::read_to_string(path("sub/deeper/copy")).unwrap(), "copied");
    let mode = std::fs::metadata(path("sub/deeper/copy")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    order.server.copies[0].from = path("nothing");
    assert!(take(&order).unwrap_err().to_string().contains("nothing"));
}

/// A stand-in for wrk that prints what wrk prints: the real one is in the image `bench-tools`.
struct Wrk {
    folder: tempfile::TempDir,
}

impl Wrk {
    fn new() -> Wrk {
        let wrk = Wrk { folder: tempfile::tempdir().unwrap() };
        // The script's path is wrk's seventh word.
        std::fs::write(wrk.path("wrk"), "#!/bin/sh\ncat \"$6\"\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(wrk.path("wrk"), mode).unwrap();
        wrk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A load by it, or by another program, where wrk says this of so many requests and bytes.
    fn load(&self, program: &str, (requests, bytes): (u64, u64), errors: &str) -> Load {
        let said = format!(
            r#"    Latency     1.00ms    2.00ms  10.00ms   90.00%
    Req/Sec     2.50k     1.00k    5.00k    70.00%
{{"duration_us":2000000,"requests":{requests},"bytes":{bytes},"percentiles_us":[[50,900]],"max_us":10000,"errors":{{{errors}}}}}"#
        );
        std::fs::write(self.path("report.lua"), said).unwrap();
        Load::Saturate(Saturate {
            wrk: program.to_owned(),
            script: self.path("report.lua"),
            threads: 1,
            connections: 64,
            seconds: 2,
            warm_up_seconds: 1,
            new_connections: false,
            cores: Vec::new(),
        })
    }
}

const NO_ERRORS: &str = r#""connect":0,"read":0,"write":0,"status":0,"timeout":0"#;

#[test]
fn what_wrk_says_becomes_the_sample() {
    let wrk = Wrk::new();
    // As long as the rude server's.
    let bytes = 5000 * (BODY.len() as u64 + 70);
    let with_errors = NO_ERRORS.replace("\"read\":0", "\"read\":2");
    for (requests, errors, failed) in [
        (5000, NO_ERRORS, None),
        (5000, with_errors.as_str(), Some("2 reads that failed")),
        (2500, NO_ERRORS, Some("answers of 170 bytes on average, and the right one has 85")),
        (0, NO_ERRORS, None),
    ] {
        let outcome = take(&order("good", wrk.load(&wrk.path("wrk"), (requests, bytes), errors))).unwrap();
        assert_eq!((outcome.requests, outcome.seconds), (requests, 2.0));
        assert_eq!(outcome.failed.as_deref(), failed);
        assert_eq!(outcome.percentiles, [(50.0, 0.0009), (100.0, 0.01)]);
        let columns = if requests == 0 { 0 } else { bench_driver::WRK_COLUMNS.len() };
        assert_eq!(outcome.wrk.len(), columns);
    }
    let unmeasured =
        |program: &str| take(&order("good", wrk.load(program, (1, 85), NO_ERRORS))).unwrap_err().to_string();
    let error = unmeasured("/bin/false");
    assert!(error.starts_with("`/bin/false -t1 -c64 -d1s --latency -s"), "{error}");
    let error = unmeasured("/no/wrk");
    assert!(error.starts_with("cannot run /no/wrk: No such file"), "{error}");
    assert!(error.ends_with("`cargo xtask images build bench-tools redis`"), "{error}");
}

/// wrk ends with an error itself where it cannot connect at all.
#[test]
fn a_server_that_dies_of_being_asked_fails_the_sample_and_not_the_run() {
    let wrk = Wrk::new();
    for program in [wrk.path("wrk"), "/bin/false".to_owned()] {
        let load = wrk.load(&program, (100, 8500), NO_ERRORS);
        let outcome = take(&order("dies-after-one", load)).unwrap();
        let failed = outcome.failed.unwrap_or_default();
        assert!(failed.starts_with("after the load: cannot ask "), "{failed}");
        assert!(failed.ends_with("the end of its log: I have had enough"), "{failed}");
    }
}

#[test]
fn what_a_server_needs_is_there_before_it_and_is_not_counted() {
    let needed = order("good", at_rate(1.0, 1));
    let mut order = order("good", at_rate(100.0, 1));
    order.beside = vec![Beside { program: needed.server, listens: needed.ask.address }];
    let outcome = take(&order).unwrap();
    assert_eq!((outcome.failed, outcome.processes), (None, 1));

    order.beside[0].program.argv = vec!["/bin/false".to_owned()];
    let error = take(&order).unwrap_err().to_string();
    assert!(error.contains("ended with exit status: 1"), "{error}");
}

#[test]
fn one_answer_is_timed() {
    let mut order = order("good", at_rate(1.0, 1));
    let once = |ask| Load::Once(Once { ask, before: 2, patience_seconds: 20.0 });
    order.load = once(order.ask.clone());
    let outcome = take(&order).unwrap();
    assert!(outcome.requests == 1 && outcome.seconds > 0.0 && outcome.seconds < 20.0, "{outcome:?}");
    order.load = once(Ask { body: "something else".to_owned(), ..order.ask.clone() });
    let error = take(&order).unwrap_err().to_string();
    assert!(error.contains("\"something else\" is right"), "{error}");
}

/// A stand-in for redis-benchmark: the real one is in the image `redis`.
#[test]
fn what_redis_benchmark_says_becomes_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("redis-benchmark");
    let said = r#"#!/bin/sh
echo '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
echo "\"$(echo "${12}" | /usr/bin/tr a-z A-Z)\",\"50000.00\",\"0.4\",\"0.1\",\"0.399\",\"0.6\",\"0.879\",\"2.055\""
"#;
    std::fs::write(&program, said).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let load = |program: String| {
        Load::RedisBenchmark(RedisBenchmark {
            program,
            env: BTreeMap::new(),
            connections: 64,
            value_bytes: 4,
            requests: 100_000,
            warm_up_requests: 1000,
            cores: Vec::new(),
        })
    };
    let outcome = take(&order("good", load(program.display().to_string()))).unwrap();
    assert_eq!((outcome.requests, outcome.seconds, outcome.failed.as_deref()), (100_000, 2.0, None));
    assert_eq!(outcome.percentiles, [(50.0, 0.000_399), (99.0, 0.000_879), (100.0, 0.002_055)]);
    let error = take(&order("good", load("/bin/false".to_owned()))).unwrap_err();
    assert!(error.to_string().starts_with("`/bin/false -h 127.0.0.1 -p "), "{error}");
}
