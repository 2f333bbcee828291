//! The program with caches that live in its process.

use std::time::{Duration, Instant};

use crate::lab::{Program, plugin, read};

/// How long an answer takes.
fn time(program: &Program, path: &str, expected: &str) -> Duration {
    let began = Instant::now();
    assert_eq!(program.get(path).body, expected);
    began.elapsed()
}

/// The demo that sold the idea.
#[test]
fn the_second_answer_is_a_hundred_times_faster() {
    let mut program = Program::start(&[&plugin("memory-cache"), "--log-level", "debug"]);
    let first = time(&program, "/fib/40", r#"{"result": 102334155}"#);
    // By the fastest, as what else the machine does delays the others.
    let second = (0..20).map(|_| time(&program, "/fib/40", r#"{"result": 102334155}"#)).min().unwrap();
    assert!(second * 100 <= first, "{first:?}, then {second:?}");
    assert_eq!(program.metric("cache_hits_total"), 20);
    assert_eq!(program.metric("computations_begun_total"), 1);

    // The log tells the story, in this order.
    let story = [
        "msg=configuration host=127.0.0.1 port=0 log_level=DEBUG",
        "msg=\"cache plugin loaded\" plugin=memory",
        "msg=listening",
        "msg=\"not in the cache\" n=40",
        "msg=computed n=40 duration_us=",
        "msg=\"put into the cache\" n=40 expiration_ms=15000",
        "msg=answered n=40 duration_us=",
        "msg=\"found in the cache\" n=40",
    ];
    story.iter().for_each(|line| drop(program.wait_for_log(line)));
    let log = program.stop();
    let places: Vec<usize> = story.iter().map(|line| log.find(line).unwrap()).collect();
    assert!(places.is_sorted(), "{log}");
}

#[test]
fn what_expired_is_computed_again() {
    let program = Program::start(&[&plugin("memory-cache"), "--cache-expiration", "200ms"]);
    let number = r#"{"result": 75025}"#;
    time(&program, "/fib/25", number);
    let began = Instant::now();
    while program.metric("computations_begun_total") < 3 {
        time(&program, "/fib/25", number);
    }
    // It lived for a while, and not for ever.
    assert!(program.metric("cache_hits_total") > 0);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn without_a_plugin_everything_is_computed() {
    for flags in [&[][..], &["--cache-plugin-path", ""]] {
        let mut program = Program::start(flags);
        program.wait_for_log("no cache plugin");
        for _ in 0..3 {
            time(&program, "/fib/20", r#"{"result": 6765}"#);
        }
        assert_eq!(
            (program.metric("cache_misses_total"), program.metric("computations_begun_total")),
            (0, 3)
        );
    }
}

#[test]
fn the_factory_that_is_named_makes_the_cache() {
    let moody = plugin("moody-cache");
    for (factory, hits) in [("", 1), ("keeps", 1), ("fails", 0)] {
        let program = Program::start(&[&moody, "--cache-plugin-factory-name", factory]);
        program.get("/fib/20");
        program.get("/fib/20");
        assert_eq!(program.metric("cache_hits_total"), hits, "{factory}");
    }
    // Its settings arrive.
    let late = [&moody, "--cache-plugin-factory-name", "late", "--cache-plugin-settings", "1"];
    let program = Program::start(&late);
    program.get("/fib/20");
    program.wait_for_metric("cache_stored_total", |stored| stored == 1);
}

#[test]
fn a_cache_that_is_no_good_is_no_reason_for_no_answer_and_does_not_flood_the_log() {
    for factory in ["silent", "fails", "panics", "garbles"] {
        let flags = ["--cache-plugin-factory-name", factory, "--cache-timeout", "100ms"];
        let program = Program::start(&[&[plugin("moody-cache").as_str()], &flags[..]].concat());
        let began = Instant::now();
        for _ in 0..200 {
            let asked = [program.ask("/fib/20"), program.ask("/fib/21")];
            let bodies = asked.map(|stream| read(stream).body);
            assert_eq!(bodies, [r#"{"result": 6765}"#, r#"{"result": 10946}"#], "{factory}");
        }
        // Not 400 times 100 ms.
        assert!(began.elapsed() < Duration::from_secs(20), "{factory}: {:?}", began.elapsed());
        assert_eq!(program.metric("cache_hits_total"), 0);
        let reason = match factory {
            "silent" => "timed-out",
            "garbles" => "garbled",
            _ => "failed",
        };
        assert!(program.metric(&format!("cache_errors_total{{reason=\"{reason}\"}}")) > 0, "{factory}");
        let log = program.stop();
        let warnings = log.lines().filter(|line| line.contains("level=warn")).count();
        assert!((1..=4).contains(&warnings), "{factory}: {warnings} warnings in\n{log}");
    }
}
