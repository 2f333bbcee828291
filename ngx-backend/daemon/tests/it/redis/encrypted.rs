//! A store at rediss://. Redis has no network in its image, so an end of TLS stands before it.

use super::{assert_refused, backend, trouble};
use crate::{Daemon, await_published, redis_url, start_redis};
use test_services::{Relay, TlsFront};

const PASSWORD: &str = "sesame-of-redis";

fn daemon(host: &str, port: u16, trusted: &TlsFront) -> Daemon {
    let url = format!("rediss://:{PASSWORD}@{host}:{port}/2");
    let ca_file = trusted.ca_file();
    let more = ["--store", &url, "--store-ca-file", ca_file.to_str().unwrap()];
    Daemon::start_in(tempfile::tempdir().unwrap(), &more)
}

#[test]
fn a_trusted_certificate_lets_a_daemon_through() {
    let Some(redis) = start_redis(&["--requirepass", PASSWORD]) else { return };
    let front = TlsFront::before(&redis.socket(), "localhost");
    let encrypted = daemon("localhost", front.address().port(), &front);
    assert_eq!(encrypted.put("a", "192.0.2.1:80").status, 201);
    await_published(&encrypted.reader(), "a", "192.0.2.1:80");
    assert_eq!(encrypted.get("/healthz").status, 200);
    assert_eq!(encrypted.line("sesame"), None);

    // It is the same map that others have without encryption, and both follow it.
    let url = format!("{}?db=2&pass={PASSWORD}", redis_url(&redis));
    let plain = Daemon::start_in(tempfile::tempdir().unwrap(), &["--store", &url]);
    assert_eq!(backend(&plain, "a").as_deref(), Some("192.0.2.1:80"));
    assert_eq!(plain.put("a", "192.0.2.2:80").status, 200);
    await_published(&encrypted.reader(), "a", "192.0.2.2:80");
}

#[test]
fn a_redis_that_is_not_the_trusted_one_gets_nothing() {
    let Some(redis) = start_redis(&["--requirepass", PASSWORD]) else { return };
    let front = TlsFront::before(&redis.socket(), "localhost");
    let stranger = TlsFront::before(&redis.socket(), "localhost");
    let plain = Relay::before(&redis.socket());
    // The right authority and another name; the right name and another authority; no encryption at all.
    for (host, port, part) in [
        ("127.0.0.1", front.address().port(), "not valid for name"),
        ("localhost", stranger.address().port(), "invalid peer certificate"),
        ("localhost", plain.address().port(), "Redis at localhost"),
    ] {
        let daemon = daemon(host, port, &front);
        assert_eq!(trouble(&daemon).as_deref(), Some("Redis cannot be reached"), "{part}");
        assert_refused(&daemon, part);
        assert_eq!(daemon.line("sesame"), None);
    }
}
