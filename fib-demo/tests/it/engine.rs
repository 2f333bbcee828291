//! The engine without HTTP: what a cache does to requests, and what it never does.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fib_demo::{Answer, Cache, CacheState, Engine, Index, Loaded, Refusal, Terms};
use plugin_host::{CacheInstance, HostEnvironment, Plugin, Settings, StaticPlugin};

const PATIENCE: Duration = Duration::from_secs(60);
const TERMS: Terms = Terms { expiration: Duration::from_secs(60), timeout: Duration::from_millis(50) };

fn n(number: u8) -> Index {
    number.to_string().parse().unwrap()
}

fn linked(plugin: &StaticPlugin, factory: &str, settings: &str, terms: Terms) -> Cache {
    let plugin = Plugin::linked(plugin).unwrap();
    let host = HostEnvironment::gather([].into(), String::new());
    let config = settings.as_bytes().to_vec();
    let factory = (!factory.is_empty()).then(|| factory.to_owned());
    let instance = CacheInstance::create(&plugin, &host, &Settings { config, factory, log: None }).unwrap();
    Cache::new(Loaded { instance, identity: plugin.identity().clone() }, terms).unwrap()
}

fn engine_with(cache: Cache, patience: Duration) -> Arc<Engine> {
    Arc::new(Engine::start(cache, NonZeroUsize::new(2).unwrap(), patience).unwrap())
}

fn engine(cache: Cache) -> Arc<Engine> {
    engine_with(cache, PATIENCE)
}

fn moody(factory: &str, settings: &str) -> Arc<Engine> {
    engine(linked(&moody_cache::PLUGIN, factory, settings, TERMS))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await }).expect("an end")
}

fn ask(engine: &Engine, number: u8) -> Result<u64, Refusal> {
    match engine.answer(n(number)) {
        Answer::Here(answer) => answer,
        Answer::Later(answer) => block_on(answer.number()),
    }
}

fn is_here(engine: &Engine, number: u8) -> bool {
    matches!(engine.answer(n(number)), Answer::Here(_))
}

/// The counts, as soon as this is true of them.
fn wait_for(engine: &Engine, what: impl Fn(&CacheState) -> bool) -> CacheState {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = engine.cache_state();
        if what(&state) {
            return state;
        }
        assert!(Instant::now() < deadline, "{state:?}");
        std::thread::yield_now();
    }
}

#[test]
fn without_a_cache_everything_is_computed() {
    let engine = engine(Cache::none());
    assert_eq!([ask(&engine, 0), ask(&engine, 1), ask(&engine, 20)], [Ok(0), Ok(1), Ok(6_765)]);
    assert_eq!(ask(&engine, 20), Ok(6_765));
    assert_eq!(engine.compute_state().begun, 4);
    assert_eq!(engine.cache_state(), CacheState::default());
    assert!(engine.cache().health().is_ok());
}

#[test]
fn the_second_answer_comes_from_memory_and_at_once() {
    let engine = engine(linked(&memory_cache::PLUGIN, "", "", TERMS));
    assert_eq!(ask(&engine, 25), Ok(75_025));
    assert!(is_here(&engine, 25));
    assert_eq!(ask(&engine, 25), Ok(75_025));
    let (cache, compute) = (engine.cache_state(), engine.compute_state());
    assert_eq!((cache.hits, cache.misses, cache.stored, compute.begun), (2, 1, 1, 1));
}

#[test]
fn what_expired_is_computed_again() {
    let terms = Terms { expiration: Duration::from_millis(50), ..TERMS };
    let engine = engine(linked(&memory_cache::PLUGIN, "", "", terms));
    assert_eq!(ask(&engine, 25), Ok(75_025));
    let deadline = Instant::now() + PATIENCE;
    while is_here(&engine, 25) {
        assert!(Instant::now() < deadline, "still there");
        std::thread::yield_now();
    }
    assert_eq!(ask(&engine, 25), Ok(75_025));
    assert!(engine.compute_state().begun >= 2);
}

#[test]
fn a_late_cache_is_waited_for() {
    let patient = Terms { timeout: PATIENCE, ..TERMS };
    let engine = engine(linked(&moody_cache::PLUGIN, "late", "5", patient));
    assert_eq!([ask(&engine, 20), ask(&engine, 20)], [Ok(6_765); 2]);
    let state = wait_for(&engine, |state| state.stored == 1);
    assert_eq!((state.hits, state.misses, state.timed_out), (1, 1, 0));
}

#[test]
fn a_cache_that_fails_panics_or_garbles_is_no_reason_for_no_answer() {
    for factory in ["fails", "panics", "garbles"] {
        let engine = moody(factory, "");
        for _ in 0..10 {
            assert_eq!(ask(&engine, 20), Ok(6_765), "{factory}");
        }
        let state = engine.cache_state();
        assert_eq!(state.hits, 0, "{factory}: {state:?}");
        match factory {
            "garbles" => assert_eq!((state.garbled, state.stored, state.failed), (10, 10, 0)),
            // Both calls of each request, until the cache is left alone.
            _ => assert_eq!((state.failed, state.failed + state.skipped), (5, 20), "{state:?}"),
        }
    }
}

#[test]
fn a_silent_cache_is_waited_for_a_few_times_and_not_by_everybody() {
    let engine = moody("silent", "");
    let started = Instant::now();
    for _ in 0..200 {
        assert_eq!(ask(&engine, 20), Ok(6_765));
    }
    // Not 200 times 50 ms.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let state = engine.cache_state();
    assert!(state.timed_out >= 5 && state.skipped > 300 && state.hits == 0, "{state:?}");
}

#[test]
fn a_hundred_at_once_share_one_computation_whatever_the_cache() {
    let patient = Terms { timeout: PATIENCE, ..TERMS };
    for cache in
        [linked(&memory_cache::PLUGIN, "", "", patient), linked(&moody_cache::PLUGIN, "late", "5", patient)]
    {
        let engine = engine(cache);
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let answers: Vec<_> = (0..25).map(|_| engine.answer(n(32))).collect();
                        for answer in answers {
                            let answer = match answer {
                                Answer::Here(answer) => answer,
                                Answer::Later(answer) => block_on(answer.number()),
                            };
                            assert_eq!(answer, Ok(2_178_309));
                        }
                    })
                })
                .collect();
            asking.into_iter().for_each(|asking| asking.join().unwrap());
        });
        assert_eq!(engine.compute_state().begun, 1, "{engine:?}");
    }
}

#[test]
fn each_request_has_a_deadline_of_its_own_and_the_last_ends_the_computation() {
    let engine = engine_with(Cache::none(), Duration::from_millis(300));
    let Answer::Later(first) = engine.answer(n(93)) else { panic!("at once") };
    let mut first = std::pin::pin!(first.number());
    let begun = Instant::now();
    let outcome = block_on(async {
        let half = Duration::from_millis(150);
        assert!(tokio::time::timeout(half, first.as_mut()).await.is_err());
        let Answer::Later(second) = engine.answer(n(93)) else { panic!("at once") };
        let second = tokio::spawn(second.number());
        assert_eq!(
            first.as_mut().await.unwrap_err().to_string().split(';').next(),
            Some("fib(93) was not computed within 300ms")
        );
        assert_eq!(engine.load(), (0, 1), "somebody still waits");
        second.await.unwrap()
    });
    assert!(matches!(outcome, Err(Refusal::TimedOut { .. })), "{outcome:?}");
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    let deadline = Instant::now() + PATIENCE;
    while engine.compute_state().cancelled == 0 {
        assert!(Instant::now() < deadline, "{:?}", engine.compute_state());
        std::thread::yield_now();
    }
    assert_eq!(engine.compute_state().begun, 1);
}

#[test]
fn requests_that_are_dropped_leave_nothing_running() {
    let engine = engine(Cache::none());
    for _ in 0..100 {
        drop([engine.answer(n(91)), engine.answer(n(92)), engine.answer(n(93))]);
    }
    assert_eq!(ask(&engine, 20), Ok(6_765));
    let deadline = Instant::now() + PATIENCE;
    while engine.load() != (0, 0) {
        assert!(Instant::now() < deadline, "{:?}", engine.compute_state());
        std::thread::yield_now();
    }
    let state = engine.compute_state();
    assert_eq!(state.begun, state.cancelled + 1, "{state:?}");
    assert_eq!(state.cancelled + state.withdrawn, 300, "{state:?}");
}
