//! What tests rely on: a real Redis that stops, starts again and can be cut off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use test_services::{Redis, RedisReply, Relay, wait_for};

fn text(text: &str) -> RedisReply {
    RedisReply::Text(text.to_owned())
}

#[test]
fn redis_answers_forgets_and_comes_back() {
    let mut redis = match Redis::start(&["--databases", "2"]) {
        Ok(redis) => redis,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    assert_eq!(redis.command(&["SET", "k", "a b"]), text("OK"));
    assert_eq!(redis.command(&["GET", "k"]), RedisReply::Value(Some(b"a b".to_vec())));
    assert_eq!(redis.command(&["SELECT", "2"]), RedisReply::Error("ERR DB index is out of range".to_owned()));
    redis.stop();
    assert!(!redis.socket().exists());
    redis.start_again().unwrap();
    assert_eq!(redis.command(&["GET", "k"]), RedisReply::Value(None));
}

#[test]
fn a_relay_passes_stalls_and_cuts() {
    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let relay = Relay::before(&redis.socket());
    let mut client = TcpStream::connect(relay.address()).unwrap();
    let mut answer = [0; 7];
    client.write_all(b"PING\r\n").unwrap();
    client.read_exact(&mut answer).unwrap();
    assert_eq!((&answer, relay.accepted()), (b"+PONG\r\n", 1));

    relay.stall(true);
    client.write_all(b"PING\r\n").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    client.read_exact(&mut answer).unwrap_err();
    relay.stall(false);
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client.read_exact(&mut answer).unwrap();

    relay.cut();
    assert_eq!(client.read(&mut answer).unwrap_or_default(), 0);
}

/// The end of whoever started it is the end of Redis, so that no test leaves one behind.
#[test]
fn redis_ends_with_its_owner() {
    let redis = match Redis::start(&[]) {
        Ok(redis) => redis,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let socket = redis.socket();
    let mut connection = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    drop(redis);
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(connection.read(&mut [0]).unwrap_or_default(), 0);
    wait_for("the end of its folder", Duration::from_secs(10), || (!socket.exists()).then_some(()));
}
