//! Status, by the socket and by the command.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

use forker::status::Status;
use rustix::process::Signal;

use super::ask;
use crate::service::{Service, kill};

fn forker(arguments: &[&str], service: &Service) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forker")).args(arguments).arg(service.socket()).output().unwrap()
}

#[test]
fn the_status_tells_of_each_worker() {
    let service = Service::start(&["--workers", "2", "--heartbeat-interval", "0.05"]);
    let pids = service.settled(2);
    for _ in 0..10 {
        ask(&service);
    }
    service.until("all are counted", || service.status().accepted == 10);
    kill(pids[1], Signal::KILL);
    service.until("another is there", || !service.ready().contains(&pids[1]));
    service.settled(2);
    let json = forker(&["status", "--json"], &service);
    let status: Status = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((status.pid, status.name.as_str()), (service.pid(), "forker-greeting"));
    assert_eq!((status.accepted, status.strategy.as_str()), (10, "reuseport"), "of the dead one, too");
    let [first, second] = &status.workers[..] else { panic!("{status:?}") };
    assert_eq!((first.slot, first.pid, first.restarts, first.last_exit.as_deref()), (0, pids[0], 0, None));
    assert_eq!((second.slot, second.restarts, second.last_exit.as_deref()), (1, 1, Some("SIGKILL")));
    assert!(first.uptime_seconds > 0.0 && first.cpu_seconds.is_some());
    assert!(first.resident_bytes.unwrap() > 1 << 18);

    let table = String::from_utf8(forker(&["status"], &service).stdout).unwrap();
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with(&format!("forker-greeting (pid {}) running", service.pid())), "{table}");
    assert!(lines[1].starts_with("SLOT  PID ") && lines[3].ends_with("SIGKILL"), "{table}");
}

#[test]
fn the_command_asks_the_master_for_things() {
    let mut service = Service::start(&["--workers", "1"]);
    service.settled(1);
    let asked = |verb: &str| {
        let output = forker(&[verb], &service);
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    };
    asked("more");
    service.settled(2);
    asked("fewer");
    service.settled(1);
    asked("reload");
    service.until("a reload", || service.status().generation == 2);
    service.settled(1);
    asked("hand-over");
    let old = service.pid();
    service.until("another master", || service.status().pid != old);
    service.settled(1);
    asked("stop");
    service.until("it has ended", || !service.socket().exists());
    assert_eq!(service.ended().code(), Some(0));
    let output = forker(&["status"], &service);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("no master answers at"), "{error}");
}

#[test]
fn the_socket_is_for_its_owner_and_one_that_was_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(&folder, &["--workers", "1"]);
    let mut first = command.spawn().unwrap();
    let path = folder.path().join("status.sock");
    crate::service::wait_for("it is there", || path.exists());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    kill(first.id(), Signal::KILL);
    first.wait().unwrap();
    assert!(path.exists());
    let service = Service::begin(folder, command);
    assert_eq!(service.settled(1).len(), 1);
}
