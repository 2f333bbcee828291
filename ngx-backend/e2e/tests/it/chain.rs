//! Several resolvers: the next one is asked where those before it know nothing.

use backend_e2e::Setup;
use serde_json::json;

use crate::{lines_with, with_each};

/// A second resolver, with a script of its own.
fn with_second(setup: Setup, script: &serde_json::Value) -> Setup {
    setup.with_file("second.json", &script.to_string()).with_http(
        "set_backend_library /run/nginx/scripted-resolver.so; set_backend_map /run/nginx/second.json;",
    )
}

#[test]
fn the_next_resolver_knows_what_the_first_does_not() {
    let second = json!({
        "one.test": { "upstreams": [["127.0.0.1:8003", 1]] },
        "second.test": { "upstreams": [["127.0.0.1:8002", 1]] },
        "slow-second.test": { "after_ms": 50, "upstreams": [["127.0.0.1:8002", 1]] },
        "failing.test": { "upstreams": [["127.0.0.1:8003", 1]] },
    });
    let setup = Setup::default()
        .with_host("failing.test", json!({ "does": "fail" }))
        .with_host("half-failing.test", json!({ "does": "fail" }))
        .with_http("set_backend_default 127.0.0.1:8002;");
    with_each(&with_second(setup, &second), |nginx| {
        for path in ["/variable/", "/balanced/"] {
            assert!(nginx.get("one.test", path).body.starts_with("one "), "the first one counts");
            assert!(nginx.get("second.test", path).body.starts_with("two "));
            assert!(nginx.get("slow-second.test", path).body.starts_with("two "));
            assert!(nginx.get("failing.test", path).body.starts_with("three "));
            assert!(nginx.get("unknown.test", path).body.starts_with("two "), "the default");
            assert_eq!(nginx.get("half-failing.test", path).status, 404, "the first one may know it");
        }
        // Who has named an upstream hears of it, and nobody of the default.
        let log = nginx.log();
        for (host, times) in [("one.test", 1), ("second.test", 1), ("failing.test", 1), ("unknown.test", 0)] {
            assert_eq!(lines_with(&log, &format!("heard of {host}: ")).len(), times, "{log}");
        }
    });
}

#[test]
fn one_that_is_refused_leaves_the_others_at_work() {
    let second = json!({ "one.test": { "upstreams": [["127.0.0.1:8003", 1]] } });
    let setup = Setup { library: Some("/run/nginx/absent.so".to_owned()), ..Setup::default() };
    with_each(&with_second(setup, &second), |nginx| {
        assert!(nginx.get("one.test", "/variable/").body.starts_with("three "));
        assert_eq!(nginx.get("unknown.test", "/variable/").status, 404);
        nginx.wait_for_log("absent.so: refused [file.unreadable]");
    });
}
