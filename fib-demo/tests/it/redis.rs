//! The program with the cache `redis` and a real one.

use std::process::Command;
use std::time::{Duration, Instant};

use test_services::{Redis, RedisReply, Relay};

use crate::lab::{PATIENCE, Program, plugin, program, refusal};

/// A Redis, or `None` after having said why there is none.
fn start(options: &[&str]) -> Option<Redis> {
    Redis::start(options).map_err(|missing| eprintln!("skipped: {}", missing.0)).ok()
}

/// The program with its cache in this Redis.
fn command(redis: &Redis, flags: &[&str]) -> Command {
    let mut command = program(&[&[plugin("redis-cache").as_str(), "--log-level", "debug"], flags].concat());
    command.env("REDIS_ADDR", format!("unix://{}", redis.socket().display()));
    command
}

fn serve(redis: &Redis, flags: &[&str]) -> Program {
    Program::run(&mut command(redis, flags))
}

fn number(redis: &Redis, command: &[&str]) -> i64 {
    match redis.command(command) {
        RedisReply::Text(number) => number.parse().unwrap(),
        other => panic!("{command:?}: {other:?}"),
    }
}

fn value(redis: &Redis, key: &str) -> Option<String> {
    match redis.command(&["GET", key]) {
        RedisReply::Value(value) => value.map(|value| String::from_utf8(value).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// Asks until the cache has this number for this program.
fn until_hit(program: &Program, path: &str, expected: &str) {
    let before = program.metric("cache_hits_total");
    test_services::wait_for("a hit", PATIENCE, || {
        assert_eq!(program.get(path).body, expected);
        (program.metric("cache_hits_total") > before).then_some(())
    });
}

const FIB_30: &str = r#"{"result": 832040}"#;

#[test]
fn the_second_answer_comes_from_redis() {
    let Some(redis) = start(&[]) else { return };
    let program = serve(&redis, &[]);
    let mut took = (0..20).map(|_| {
        let began = Instant::now();
        assert_eq!(program.get("/fib/40").body, r#"{"result": 102334155}"#);
        began.elapsed()
    });
    let (first, fastest) = (took.next().unwrap(), took.min().unwrap());
    assert!(fastest * 100 <= first, "{first:?}, then {fastest:?}");
    assert_eq!((program.metric("computations_begun_total"), program.metric("cache_misses_total")), (1, 1));
    assert_eq!(program.metric("cache_hits_total"), 19);
    assert_eq!(value(&redis, "fib:v1:40").as_deref(), Some("102334155"));
    // Redis itself lets it go.
    let left = number(&redis, &["PTTL", "fib:v1:40"]);
    assert!((1..=15_000).contains(&left), "{left} ms");
}

#[test]
fn what_expired_is_computed_again() {
    let Some(redis) = start(&[]) else { return };
    let program = serve(&redis, &["--cache-expiration", "300ms"]);
    assert_eq!(program.get("/fib/30").body, FIB_30);
    program.wait_for_metric("cache_stored_total", |stored| stored == 1);
    test_services::wait_for("expiry", PATIENCE, || value(&redis, "fib:v1:30").is_none().then_some(()));
    assert_eq!(program.get("/fib/30").body, FIB_30);
    assert_eq!(program.metric("computations_begun_total"), 2);
}

#[test]
fn two_programs_share_what_one_has_computed() {
    let Some(redis) = start(&[]) else { return };
    let [one, other] = [serve(&redis, &[]), serve(&redis, &[])];
    assert_eq!(one.get("/fib/30").body, FIB_30);
    one.wait_for_metric("cache_stored_total", |stored| stored == 1);
    assert_eq!(other.get("/fib/30").body, FIB_30);
    assert_eq!((other.metric("cache_hits_total"), other.metric("computations_begun_total")), (1, 0));
}

/// 93 by its definition would take centuries; the cache may have it from elsewhere.
#[test]
fn the_largest_number_is_exact() {
    let Some(redis) = start(&[]) else { return };
    redis.command(&["SET", "fib:v1:93", "12200160415121876738"]);
    let program = serve(&redis, &[]);
    assert_eq!(program.get("/fib/93").body, r#"{"result": 12200160415121876738}"#);
    assert_eq!(program.get("/fib/94").status, 400);
}

#[test]
fn what_somebody_else_put_there_is_not_answered_but_replaced() {
    let Some(redis) = start(&[]) else { return };
    let mut program = serve(&redis, &[]);
    let cases = [("30", "banana"), ("31", ""), ("32", "-5"), ("33", "18446744073709551616")];
    for (stored, (n, garbage)) in (1..).zip(cases) {
        let key = format!("fib:v1:{n}");
        redis.command(&["SET", &key, garbage]);
        let answer = program.get(&format!("/fib/{n}")).body;
        program.wait_for_metric("cache_stored_total", |so_far| so_far == stored);
        let number = value(&redis, &key).unwrap();
        assert_eq!(answer, format!("{{\"result\": {number}}}"));
    }
    // Of another type, so that Redis refuses the question.
    redis.command(&["LPUSH", "fib:v1:20", "x"]);
    assert_eq!(program.get("/fib/20").body, r#"{"result": 6765}"#);
    let line = program.wait_for_log("what the cache has is no number, so it is computed again");
    assert!(line.contains("level=warn") && line.contains("n=30") && line.contains("value=banana"), "{line}");
    assert_eq!(program.metric(r#"cache_errors_total{reason="garbled"}"#), 4);
    assert_eq!(program.metric(r#"cache_errors_total{reason="failed"}"#), 1);
}

/// The original logs `key found val=''` while Redis is down, and computes each hit again for ever.
#[test]
fn a_restart_in_the_middle_costs_time_and_no_answer() {
    let Some(mut redis) = start(&[]) else { return };
    let mut program = serve(&redis, &["--cache-plugin-settings", r#"{"longest-pause-ms": 100}"#]);
    assert_eq!(program.get("/fib/30").body, FIB_30);
    until_hit(&program, "/fib/30", FIB_30);
    let hits = program.metric("cache_hits_total");
    redis.stop();
    for _ in 0..100 {
        assert_eq!(program.get("/fib/30").body, FIB_30);
    }
    assert_eq!(program.metric("cache_hits_total"), hits, "nobody is there who could have it");
    assert!(program.metric(r#"cache_errors_total{reason="failed"}"#) > 0);
    assert_eq!(program.admin("/healthz").status, 200);
    let status: serde_json::Value = serde_json::from_str(&program.admin("/status").body).unwrap();
    assert!(status["cache"]["plugin"]["unhealthy"].as_str().unwrap().contains("Redis"), "{status}");

    redis.start_again().unwrap();
    until_hit(&program, "/fib/30", FIB_30);
    program.wait_for_log("the cache works again");
    let log = program.stop();
    let warnings = log.lines().filter(|line| line.contains("the cache failed; requests")).count();
    assert!((1..=2).contains(&warnings), "{warnings} warnings in\n{log}");
    let found = log.lines().filter(|line| line.contains("msg=\"found in the cache\"")).count();
    assert_eq!(found as u64, hits + 1, "{log}");
}

#[test]
fn a_redis_that_is_slow_is_waited_for_a_few_times_and_used_again() {
    let Some(redis) = start(&[]) else { return };
    let relay = Relay::before(&redis.socket());
    let mut command = command(&redis, &["--cache-timeout", "50ms"]);
    command.env("REDIS_ADDR", relay.address().to_string());
    let program = Program::run(&mut command);
    assert_eq!(program.get("/fib/30").body, FIB_30);
    relay.stall(true);
    let began = Instant::now();
    for _ in 0..200 {
        assert_eq!(program.get("/fib/20").body, r#"{"result": 6765}"#);
    }
    // Not 200 times 50 ms for the question and as long for what is put there.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(program.metric("cache_skipped_total") > 100);
    relay.stall(false);
    until_hit(&program, "/fib/30", FIB_30);
}

#[test]
fn a_wrong_password_is_told_and_never_shown() {
    let Some(redis) = start(&["--requirepass", "open sesame"]) else { return };
    let mut right = command(&redis, &[]);
    let right = Program::run(right.env("REDIS_PASSWORD", "open sesame"));
    assert_eq!(right.get("/fib/30").body, FIB_30);
    until_hit(&right, "/fib/30", FIB_30);
    assert!(!right.stop().contains("sesame"));

    let mut wrong = command(&redis, &[]);
    let mut wrong = Program::run(wrong.env("REDIS_PASSWORD", "close sesame"));
    assert_eq!(wrong.get("/fib/30").body, FIB_30);
    wrong.wait_for_log("refuses the password; check username and password");
    assert_eq!(wrong.metric("cache_hits_total"), 0);
    assert!(!wrong.stop().contains("sesame"));

    // Who cannot do without it says so.
    let address = redis.socket().display().to_string();
    let settings =
        format!(r#"{{"address": "unix://{address}", "password": "close sesame", "required": true}}"#);
    let error = refusal(&[&plugin("redis-cache"), "--cache-plugin-settings", &settings]);
    assert!(error.contains("refuses the password") && !error.contains("sesame"), "{error}");
}

#[test]
fn the_database_is_the_one_that_is_named() {
    let Some(redis) = start(&[]) else { return };
    let mut third = command(&redis, &[]);
    let third = Program::run(third.env("REDIS_DB", "3"));
    assert_eq!(third.get("/fib/30").body, FIB_30);
    third.wait_for_metric("cache_stored_total", |stored| stored == 1);
    let RedisReply::Value(Some(keyspace)) = redis.command(&["INFO", "keyspace"]) else { panic!("no text") };
    let keyspace = String::from_utf8(keyspace).unwrap();
    assert!(keyspace.contains("db3:keys=1,") && !keyspace.contains("db0:"), "{keyspace}");
    let first = serve(&redis, &[]);
    first.get("/fib/30");
    assert_eq!(first.metric("cache_misses_total"), 1);
}
