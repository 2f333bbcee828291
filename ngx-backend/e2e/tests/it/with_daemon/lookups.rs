//! What a lookup costs the daemon: nothing, or a question; and never a write.

use std::fs;

use backend_e2e::{Daemon, Nginx};
use serde_json::json;

use super::{SNAPSHOT, SOCKET, assert_it_leads_to, setup, start, until_it_leads_to};
use crate::with_each;

/// What the kernel has counted of a process; proc_pid_io(5).
fn counted(daemon: &Daemon, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", daemon.process().pid)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap().parse().unwrap()
}

/// Changes that the disk has, and how the store was last written.
fn writes(daemon: &Daemon, nginx: &Nginx) -> (f64, std::time::SystemTime, u64) {
    let commits = daemon.metric("backend_commits_total");
    let store = fs::metadata(nginx.folder().join(Daemon::STORE)).unwrap();
    (commits, store.modified().unwrap(), counted(daemon, "write_bytes"))
}

#[test]
fn lookups_write_nothing_and_those_in_the_snapshot_ask_nobody() {
    for (resolvers, asks) in [(SNAPSHOT, false), (SOCKET, true)] {
        with_each(&setup(resolvers), |nginx| {
            let daemon = start(nginx);
            daemon.put("one.test", json!("127.0.0.1:8001"));
            until_it_leads_to(nginx, "one.test", "one");
            let before = writes(&daemon, nginx);
            let (questions, calls) = (daemon.metric("backend_questions_total"), counted(&daemon, "syscw"));
            for number in 0..100 {
                assert_it_leads_to(nginx, "one.test", "one");
                assert_eq!(nginx.get(&format!("unknown-{number}.test"), "/variable/").status, 503);
            }
            let calls = counted(&daemon, "syscw") - calls;
            let questions = daemon.metric("backend_questions_total") - questions;
            if asks {
                assert!(questions >= 100.0, "{questions} questions");
            } else {
                assert!(questions == 0.0 && calls == 0, "{questions} questions, {calls} writes to anybody");
            }
            let after = writes(&daemon, nginx);
            assert_eq!(after, before, "commits, the store's time, bytes to the disk");
        });
    }
}
