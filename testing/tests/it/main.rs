//! What tests rely on: a real Redis that stops, starts again and can be cut off.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
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

/// How one of these tests ends and what it prints, with these variables.
fn again(test: &str, variables: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env_remove("DYNLAB_XTASK").env_remove("DYNLAB_SERVICES_REQUIRED").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// A program that understands nothing of what it is asked, as an old xtask may, and ends as that does.
const OLD: &str = "/bin/ls";

#[test]
fn a_named_xtask_that_is_of_no_use_fails_a_test_and_says_so() {
    if cfg!(feature = "docker") {
        return eprintln!("skipped: services run in docker, and no xtask is asked");
    }
    let test = "redis_ends_with_its_owner";
    let (output, said) = again(test, &[("DYNLAB_XTASK", "/nowhere/xtask")]);
    assert!(!output.status.success());
    assert!(said.contains("DYNLAB_XTASK names /nowhere/xtask, which is no file; build it"), "{said}");

    let (output, said) = again(test, &[("DYNLAB_XTASK", OLD)]);
    assert!(!output.status.success());
    assert!(said.contains("DYNLAB_XTASK names /bin/ls: build it anew"), "{said}");

    let (output, said) = again(test, &[("DYNLAB_XTASK", OLD), ("DYNLAB_SERVICES_REQUIRED", "0")]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("skipped: image redis cannot run here"), "{said}");
}
