//! The plugin through the contract's tables, as a server drives it. Rates are so low that nothing comes back while a
//! test runs; how buckets fill is tested where the time can be chosen.

use plugin_host::{MiddlewareInstance, Response};
use plugin_testing::{abandoned_requests_leak_nothing, exchange, middleware, only, Outcome, TestRequest};
use rate_limit_middleware::PLUGIN;
use std::net::SocketAddr;
use std::sync::Mutex;

fn rate_limit(settings: &str) -> MiddlewareInstance {
    middleware(&PLUGIN, settings, None).unwrap()
}

/// A request from an address; from nobody who is known without one.
fn from(ip: &str) -> TestRequest {
    let peer = (!ip.is_empty()).then(|| SocketAddr::new(ip.parse().unwrap(), 40_000));
    TestRequest::get(&[]).from(peer)
}

/// The refusal of a request, if it is refused.
fn refused(instance: &MiddlewareInstance, ip: &str) -> Option<Response> {
    match exchange(instance, &from(ip), Response::default()) {
        Outcome::Answered(response) => Some(response),
        Outcome::Passed { edits, response } => {
            assert_eq!((edits, response), (Vec::new(), Response::default()));
            None
        }
    }
}

/// Which of a row of requests are refused.
fn refusals(settings: &str, ips: &[&str]) -> Vec<bool> {
    let instance = rate_limit(settings);
    ips.iter().map(|ip| refused(&instance, ip).is_some()).collect()
}

#[test]
fn what_is_too_much_is_answered_with_429_and_when_to_come_back() {
    let instance = rate_limit(r#"{"rate": 0.0001, "burst": 2}"#);
    assert!(refused(&instance, "192.0.2.1").is_none());
    assert!(refused(&instance, "192.0.2.1").is_none());
    let response = refused(&instance, "192.0.2.1").expect("the third is too much");
    assert_eq!(response.status, 429);
    let seconds: u64 = only(&response, "retry-after").unwrap().parse().unwrap();
    assert!((9_000..=10_000).contains(&seconds), "{seconds}");
    assert_eq!(only(&response, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.body, b"Too many requests\n");
    assert!(refused(&instance, "192.0.2.2").is_none());
}

#[test]
fn clients_are_told_apart_by_address_and_ipv6_network() {
    let one = r#"{"rate": 0.0001, "burst": 1}"#;
    let mapped = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.2"];
    assert_eq!(refusals(one, &mapped), [false, true, false]);
    let networks = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
    assert_eq!(refusals(one, &networks), [false, true, false]);
    let wider = r#"{"rate": 0.0001, "burst": 1, "ipv6-prefix": 48}"#;
    assert_eq!(refusals(wider, &networks), [false, true, true]);
    let single = r#"{"rate": 0.0001, "burst": 1, "ipv6-prefix": 128}"#;
    assert_eq!(refusals(single, &networks), [false; 3]);
}

#[test]
fn exempt_networks_and_unknown_peers_are_not_limited() {
    let settings = r#"{"rate": 0.0001, "burst": 1, "exempt": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}"#;
    for ip in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::1", "192.0.2.7", ""] {
        assert_eq!(refusals(settings, &[ip; 3]), [false; 3], "{ip}");
    }
    assert_eq!(refusals(settings, &["192.0.2.8"; 3]), [false, true, true]);
}

#[test]
fn the_burst_is_a_second_of_the_rate_unless_it_is_set() {
    let refusals = refusals(r#"{"rate": 2.5, "exempt": ["::1"]}"#, &["192.0.2.1"; 3]);
    assert_eq!(refusals, [false; 3]);
    let settings = r#"{"rate": 0.0001}"#;
    assert_eq!(self::refusals(settings, &["192.0.2.1"; 2]), [false, true]);
}

#[test]
fn without_a_rate_nothing_is_limited_and_the_log_says_so() {
    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let keep = |_: &str, _, line: &str| LINES.lock().unwrap().push(line.to_owned());
    let instance = middleware(&PLUGIN, "", Some(keep)).unwrap();
    assert!((0..1_000).all(|_| refused(&instance, "192.0.2.1").is_none()));
    assert_eq!(*LINES.lock().unwrap(), ["no rate is set: nothing is limited"]);
}

#[test]
fn wrong_settings_are_named() {
    let cases = [
        (r#"{"rate": 0}"#, "rate: 0 requests a second; write more than 0"),
        (r#"{"rate": 1, "burst": 0}"#, "burst: 0 would refuse everything"),
        (r#"{"burst": 5}"#, "burst: without a rate nothing is limited"),
        (r#"{"rate": 1, "most-clients": 0}"#, "most-clients: 0; write 1 to 4194304"),
        (r#"{"rate": 1, "ipv6-prefix": 129}"#, "ipv6-prefix: 129; write 0 to 128"),
        (r#"{"exempt": ["10.0.0.0/33"]}"#, "exempt: `10.0.0.0/33` is no network"),
        (
            r#"{"exempt": ["10.0.0.1/8"]}"#,
            "exempt: `10.0.0.1/8` has bits beyond its prefix; write 10.0.0.0/8",
        ),
        (r#"{"limit": 1}"#, "unknown field `limit`, expected one of `rate`, `burst`, `most-clients`"),
    ];
    for (settings, part) in cases {
        let error = middleware(&PLUGIN, settings, None).unwrap_err().to_string();
        assert!(error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    abandoned_requests_leak_nothing(
        &rate_limit(r#"{"rate": 1000000, "burst": 1000000}"#),
        &from("192.0.2.1"),
    );
}
