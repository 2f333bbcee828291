//! What goes on while something else does not.

use std::fs;

use rustix::process::Signal;
use test_services::wait_for;

use crate::image::{PATIENCE, Running};
use crate::upstream::Upstream;

const DAEMON: &str = "/usr/bin/backend";

#[test]
fn a_daemon_that_dies_is_started_again_and_nginx_goes_on() {
    let running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let _upstream = Upstream::listen(&running.path("run/up.sock"));
    assert_eq!(running.enter("www.example.test", "unix:/run/up.sock").status, 201);
    running.get_once(200, "www.example.test", "/");
    // That may have been the daemon's own answer, which it gives before it has published; from now on there is the table alone.
    wait_for("the publication", PATIENCE, || {
        let metrics = running.exec(&["api", "GET", "/metrics"]).stdout;
        let metrics = String::from_utf8_lossy(&metrics);
        let count = metrics.lines().find_map(|line| line.strip_prefix("backend_publications_total "))?;
        (count != "0").then_some(())
    });
    for round in 0..3 {
        let before = running.processes(DAEMON);
        running.signal(DAEMON, Signal::KILL);
        let mut answered = 0;
        wait_for("another daemon that answers", PATIENCE, || {
            assert_eq!(running.get("www.example.test", "/").status, 200);
            answered += 1;
            let now = running.processes(DAEMON);
            let is_another = now.len() == 1 && now != before;
            (is_another && running.get("api.example.test", "/healthz").status == 200).then_some(())
        });
        assert!(answered > 0);
        assert_eq!(running.enter(&format!("after-{round}.test"), "unix:/run/up.sock").status, 201);
        running.get_once(200, &format!("after-{round}.test"), "/");
    }
}

#[test]
fn a_reload_replaces_the_workers() {
    let running = match Running::start(&[]) {
        Ok(running) => running,
        Err(missing) => return eprintln!("skipped: {}", missing.0),
    };
    let before = running.processes("nginx: worker process");
    assert!(!before.is_empty());
    // It is filled in anew.
    fs::remove_file(running.path("run/nginx/nginx.conf")).unwrap();
    running.signal("/usr/bin/ngx-backend", Signal::HUP);
    wait_for("other workers", PATIENCE, || {
        let now = running.processes("nginx: worker process");
        (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    assert!(running.path("run/nginx/nginx.conf").exists());
    assert_eq!(running.get("api.example.test", "/healthz").status, 200);
}
