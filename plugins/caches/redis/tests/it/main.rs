//! The plugin against a real Redis, driven through the contract's tables as a host drives it.

mod away;
mod encrypted;
mod entering;
mod keeping;
mod settings;

use plugin_host::{CacheInstance, CallError, CreateError, LogLevel, Reply};
use redis_cache::PLUGIN;
use std::sync::Mutex;
use std::time::Duration;
use test_services::Redis;

/// What is waited for at most; far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis, or `None` after having said why there is none.
fn start(options: &[&str]) -> Option<Redis> {
    Redis::start(options).map_err(|missing| eprintln!("skipped: {}", missing.0)).ok()
}

/// An instance with these settings beside the address.
fn cache_at(address: &str, more: &str) -> Result<CacheInstance, CreateError> {
    let comma = if more.is_empty() { "" } else { ", " };
    plugin_testing::cache(&PLUGIN, &format!(r#"{{"address": "{address}"{comma}{more}}}"#), Some(keep_line))
}

fn cache(redis: &Redis, more: &str) -> CacheInstance {
    cache_at(&address(redis), more).expect("an instance")
}

fn address(redis: &Redis) -> String {
    format!("unix://{}", redis.socket().display())
}

fn wait<T>(reply: Reply<Result<T, CallError>>) -> Result<T, CallError> {
    reply.wait(PATIENCE).expect("every call is answered")
}

fn get(cache: &CacheInstance, key: &str) -> Result<Option<String>, CallError> {
    wait(cache.get(key.as_bytes())).map(|value| value.map(|value| String::from_utf8(value).unwrap()))
}

fn set(cache: &CacheInstance, key: &str, value: &str) -> Result<(), CallError> {
    wait(cache.set(key.as_bytes(), value.as_bytes(), None))
}

fn until_healthy(cache: &CacheInstance) {
    test_services::wait_for("health", PATIENCE, || cache.health().ok());
}

fn until_away(cache: &CacheInstance) -> String {
    test_services::wait_for("a lost connection", PATIENCE, || cache.health().err()).message
}

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn keep_line(_: &str, _: LogLevel, line: &str) {
    LINES.lock().unwrap().push(line.to_owned());
}

/// The log of all instances whose address contains `part`.
fn lines(part: &str) -> Vec<String> {
    LINES.lock().unwrap().iter().filter(|line| line.contains(part)).cloned().collect()
}
