//! The daemon, its resolvers and nginx together.

mod api;
mod away;
mod changes;
mod fallback;
mod lookups;
mod million;
mod snapshots;

use backend_e2e::{Daemon, Nginx, Setup};
use test_services::wait_for;

use crate::PATIENCE;

const SNAPSHOT: &str = "set_backend_library /run/nginx/snapshot.so; set_backend_map /run/nginx/map;";
const SOCKET: &str = "set_backend_library /run/nginx/socket.so; set_backend_map /run/nginx/resolver.sock;";
const BOTH_WAYS: [&str; 2] = ["/variable/", "/balanced/"];

/// With these resolvers, 503 for hosts that they do not know, and connections that nginx never ends by itself.
fn setup(resolvers: &str) -> Setup {
    Setup { library: None, ..Setup::default() }
        .with_http(resolvers)
        .with_http("set_backend_missing 503; keepalive_requests 1000000;")
}

/// A daemon beside this nginx.
fn start(nginx: &Nginx) -> Daemon {
    Daemon::start(env!("CARGO_BIN_EXE_backend-e2e-daemon"), nginx.folder())
}

/// Asks until the host's upstream is the one called `name`, both ways.
#[track_caller]
fn until_it_leads_to(nginx: &Nginx, host: &str, name: &str) {
    for path in BOTH_WAYS {
        wait_for(&format!("{name} for {host}"), PATIENCE, || leads_to(nginx, host, path, name).then_some(()));
    }
}

/// The same where nothing needs to be waited for.
#[track_caller]
fn assert_it_leads_to(nginx: &Nginx, host: &str, name: &str) {
    for path in BOTH_WAYS {
        let answer = nginx.get(host, path);
        assert!(answer.body.starts_with(&format!("{name} ")), "{host}{path}: {answer:?}");
    }
}

fn leads_to(nginx: &Nginx, host: &str, path: &str, name: &str) -> bool {
    nginx.get(host, path).body.starts_with(&format!("{name} "))
}
