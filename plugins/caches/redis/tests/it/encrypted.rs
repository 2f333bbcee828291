//! TLS. Redis itself has no network in its image, so what it would do stands before it: an end of TLS with a certificate of its own.

use super::{cache_at, get, set, start};
use test_services::TlsFront;

fn url(front: &TlsFront, host: &str) -> String {
    format!("rediss://:sesame@{host}:{}/2", front.address().port())
}

#[test]
fn a_trusted_certificate_lets_through_and_no_other_does() {
    let Some(redis) = start(&["--requirepass", "sesame"]) else { return };
    let front = TlsFront::before(&redis.socket(), "localhost");
    let trusted = format!(r#""required": true, "ca-file": "{}""#, front.ca_file().display());
    let cache = cache_at(&url(&front, "localhost"), &trusted).unwrap();
    set(&cache, "k", "v").unwrap();
    assert_eq!(get(&cache, "k"), Ok(Some("v".to_owned())));

    // The right authority and another name; the right name and another authority.
    let error = cache_at(&url(&front, "127.0.0.1"), &trusted).unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    let stranger = TlsFront::before(&redis.socket(), "localhost");
    let error = cache_at(&url(&stranger, "localhost"), &trusted).unwrap_err().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[test]
fn a_plain_redis_is_not_taken_for_an_encrypted_one() {
    let Some(redis) = start(&[]) else { return };
    let (front, plain) =
        (TlsFront::before(&redis.socket(), "localhost"), test_services::Relay::before(&redis.socket()));
    let settings = format!(r#""required": true, "ca-file": "{}""#, front.ca_file().display());
    let error = cache_at(&format!("rediss://localhost:{}", plain.address().port()), &settings).unwrap_err();
    assert!(error.to_string().contains("Redis at localhost"), "{error}");
}
