//! Whether a middleware gives back what it remembers of requests.

use std::fs;

use plugin_host::{Before, MiddlewareInstance};

use crate::TestRequest;

/// Enough that one lost allocation a request, at the 32 bytes it takes at least, is 12 MiB.
const REQUESTS: usize = 400_000;
/// Growth that other tests of the same process may cause meanwhile, in bytes.
const NOISE: usize = 6 << 20;

/// Lets requests through whose clients go away before there is a response, and checks that the process does not grow.
///
/// # Panics
/// If it grows, or if a request does not go through.
pub fn abandoned_requests_leak_nothing(middleware: &MiddlewareInstance, request: &TestRequest) {
    let request = request.lend();
    let abandon = || match middleware.before(&request).expect("`before` works") {
        Before::Continue { ticket, .. } => drop(ticket),
        Before::Answered(response) => panic!("answered with {response:?}"),
    };
    (0..1_000).for_each(|_| abandon());
    let before = resident_bytes();
    (0..REQUESTS).for_each(|_| abandon());
    let growth = resident_bytes().saturating_sub(before);
    assert!(growth < NOISE, "{REQUESTS} abandoned requests left {growth} bytes behind");
}

/// Resident set size; see proc_pid_status(5).
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident set size");
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}
