//! The module of the other architecture, under emulation.

use backend_e2e::{Daemon, Edition, Nginx, Setup};
use serde_json::json;
use test_services::wait_for;

use crate::PATIENCE;

#[test]
fn the_module_for_aarch64_does_its_work() {
    if let Some(reason) = std::env::var_os("DYNLAB_NO_EMULATION") {
        return eprintln!("skipped: {}", reason.display());
    }
    let setup = Setup::default()
        .with_host("later.test", json!({ "after_ms": 50, "upstreams": [["127.0.0.1:8002", 1]] }))
        .with_host("half.test", json!({ "upstreams": [["127.0.0.1:8009", 1], ["127.0.0.1:8003", 1]] }))
        .with_http("set_backend_library /run/nginx/snapshot.so; set_backend_map /run/nginx/map;")
        .with_http("set_backend_missing 404;");
    for Edition { version, .. } in Edition::NATIVE {
        match Nginx::start(Edition { version, arch: "aarch64" }, &setup) {
            Ok(nginx) => does_its_work(&nginx),
            Err(missing) => return eprintln!("skipped: {}", missing.0),
        }
    }
}

fn does_its_work(nginx: &Nginx) {
    for path in ["/variable/a%20b?c", "/balanced/a%20b?c"] {
        assert!(nginx.get("ONE.test:80", path).body.starts_with(&format!("one GET {path} one.test ")));
        assert!(nginx.get("later.test", path).body.starts_with("two "));
        assert_eq!(nginx.get("unknown.test", path).status, 404);
        assert_eq!(nginx.send(&format!("GET {path} HTTP/1.0\r\n\r\n")).status, 404);
    }
    for _ in 0..4 {
        assert!(nginx.get("half.test", "/balanced/").body.starts_with("three "));
    }
    // What is published here is read there.
    let daemon = Daemon::start(env!("CARGO_BIN_EXE_backend-e2e-daemon"), nginx.folder());
    for port in [8001, 8002, 8003] {
        daemon.put("published.test", json!([format!("127.0.0.1:{port}")]));
        let name = ["one ", "two ", "three "][port - 8001];
        for path in ["/variable/", "/balanced/"] {
            wait_for(name, PATIENCE, || {
                nginx.get("published.test", path).body.starts_with(name).then_some(())
            });
        }
    }
    nginx.assert_healthy();
}
