//! Passwords, users and databases, right and wrong.

use super::{address, cache, cache_at, get, lines, set, start, wait};
use plugin_host::Status;
use test_services::{Redis, RedisReply};

/// Why an instance cannot work, as health, calls, log and creation say it.
fn refusal(redis: &Redis, settings: &str) -> String {
    let instance = cache(redis, settings);
    let health = instance.health().unwrap_err();
    assert_eq!(health.status, Status::UNAVAILABLE);
    assert_eq!(get(&instance, "k").unwrap_err(), health);
    let logged = lines(&redis.socket().display().to_string());
    assert!(logged.iter().any(|line| line.starts_with(&health.message)), "{logged:#?}");
    assert!(logged.iter().all(|line| !line.contains("sesame")), "{logged:#?}");
    let required = cache_at(&address(redis), &format!(r#"{settings}, "required": true"#)).unwrap_err();
    assert!(required.to_string().contains(&health.message), "{required}");
    health.message
}

#[test]
fn a_password_is_needed_right_and_never_told() {
    let Some(redis) = start(&["--requirepass", "open sesame"]) else { return };
    let cache = cache(&redis, r#""password": "open sesame""#);
    set(&cache, "k", "v").unwrap();
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));

    let reason = refusal(&redis, r#""password": "close sesame""#);
    assert!(reason.contains("refuses the password; check username and password"), "{reason}");
    let reason = refusal(&redis, r#""database": 1"#);
    assert!(reason.contains("wants a password and none is set"), "{reason}");
    let reason = refusal(&redis, r#""username": "nobody", "password": "open sesame""#);
    assert!(reason.contains("refuses the password"), "{reason}");
}

#[test]
fn a_password_where_none_is_wanted_is_named() {
    let Some(redis) = start(&[]) else { return };
    let reason = refusal(&redis, r#""password": "sesame""#);
    assert!(reason.contains("has no password and one is set"), "{reason}");
}

#[test]
fn a_database_is_chosen_and_a_missing_one_named() {
    let Some(redis) = start(&["--databases", "4"]) else { return };
    let in_three = cache(&redis, r#""database": 3"#);
    set(&in_three, "k", "v").unwrap();
    assert_eq!(redis.command(&["DBSIZE"]), RedisReply::Text("0".to_owned()));
    let by_url = cache_at(&format!("{}?db=3", address(&redis)), "").unwrap();
    assert_eq!(get(&by_url, "k"), Ok(Some("v".to_owned())));
    let reason = refusal(&redis, r#""database": 4"#);
    assert!(reason.contains("has no database 4; set database or REDIS_DB"), "{reason}");
}

#[test]
fn a_user_may_do_what_his_rules_say() {
    let Some(redis) = start(&[]) else { return };
    redis.command(&["ACL", "SETUSER", "reader", "on", ">sesame", "~*", "+get", "+auth"]);
    redis.command(&["SET", "k", "v"]);
    let cache = cache(&redis, r#""username": "reader", "password": "sesame""#);
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));
    let error = wait(cache.set(b"k", b"other", None)).unwrap_err();
    assert_eq!(error.status, Status::FAILED);
    assert!(error.message.contains("NOPERM"), "{}", error.message);
}
