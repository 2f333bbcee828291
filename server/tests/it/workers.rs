//! The server as several processes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::get;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::admin::{serve, socket};
use crate::lab::{Lab, PATIENCE, Server};

const GRACE: &str = "60s";

fn serve_with_workers(lab: &Lab, flags: &[&str]) -> Server {
    let flags = [&["--workers", "2", "--shutdown-deadline", GRACE], flags].concat();
    let mut server = serve(lab, &flags);
    server.wait_for_log("msg=\"worker ready\" worker=0");
    server.wait_for_log("msg=\"worker ready\" worker=1");
    server
}

/// The processes whose parent is the server.
fn workers(server: &Server) -> BTreeSet<i32> {
    let children = format!("/proc/{pid}/task/{pid}/children", pid = server.pid());
    fs::read_to_string(children).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Waits until there are as many workers as before, and none of `gone`.
fn wait_for_others(server: &Server, gone: &BTreeSet<i32>) -> BTreeSet<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = workers(server);
        if now.len() == 2 && now.is_disjoint(gone) {
            return now;
        }
        assert!(Instant::now() < deadline, "there are {now:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ctl(lab: &Lab, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dyn-serverctl"));
    let output = command.env_clear().arg("--admin").arg(socket(lab)).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_worker_that_is_killed_is_replaced_and_the_service_goes_on() {
    let lab = Lab::new().handler("a.so", &["ROUTE=\"/a\"", "ANSWER=\"here\""]);
    let server = serve_with_workers(&lab, &[]);
    let first = workers(&server);
    assert_eq!(first.len(), 2);
    let victim = *first.first().unwrap();
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
    wait_for_others(&server, &BTreeSet::from([victim]));
    for _ in 0..20 {
        assert_eq!(get(server.url("/a")).unwrap().text().unwrap(), "here");
    }
    // A worker that is ended while it starts leaves what the one before it left.
    let deadline = Instant::now() + PATIENCE;
    while ctl(&lab, &["health", "--worker", "0"]).0 + ctl(&lab, &["health", "--worker", "1"]).0 != 0 {
        assert!(Instant::now() < deadline);
    }
    let last = workers(&server);
    server.signal(Signal::TERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
    for worker in last {
        let gone = rustix::process::test_kill_process(Pid::from_raw(worker).unwrap());
        assert_eq!(gone, Err(rustix::io::Errno::SRCH), "worker {worker} outlives its master");
    }
    assert_eq!(
        fs::read_dir(lab.root()).unwrap().filter(|entry| is_socket(entry.as_ref().unwrap())).count(),
        0
    );
}

fn is_socket(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().contains(".sock")
}

#[test]
fn a_crash_in_a_plugin_costs_one_worker() {
    let lab = Lab::new()
        .handler("a.so", &["ROUTE=\"/a\"", "ANSWER=\"here\""])
        .handler("bad.so", &["NAME=\"bad\"", "ROUTE=\"/bad\"", "WORK=extern void abort(void); abort();"]);
    let mut server = serve_with_workers(&lab, &[]);
    assert!(get(server.url("/bad")).is_err());
    let line = server.wait_for_log("worker died, another takes its place");
    assert!(line.contains("SIGABRT") || line.contains("signal 6"), "{line}");
    assert_eq!(get(server.url("/a")).unwrap().text().unwrap(), "here");
}

#[test]
fn an_open_request_is_finished_by_its_worker_while_another_takes_its_place() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\"", "ANSWER=\"taken\""]);
    let mut server = serve_with_workers(&lab, &["--read-timeout", GRACE]);
    let before = workers(&server);
    let mut stream = server.begin_post();
    server.signal(Signal::HUP);
    server.wait_for_log("generation=2");
    std::io::Write::write_all(&mut stream, b"body").unwrap();
    let mut answer = String::new();
    // The worker ends with its last connection.
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("taken"), "{answer}");
    wait_for_others(&server, &before);
    assert_eq!(get(server.url("/nowhere")).unwrap().status(), 404);
}

#[test]
fn operators_reach_each_worker_and_all_of_them() {
    let lab = Lab::new().handler("1.so", &[]).handler("2.so", &["VERSION=\"1.1.0\""]);
    let server = serve_with_workers(&lab, &[]);
    let (status, text) = ctl(&lab, &["plugins"]);
    assert_eq!((status, text.matches("1.1.0").count()), (0, 2), "{text}");
    assert!(text.starts_with("worker 0:\nNAME ") && text.contains("\nworker 1:\nNAME "), "{text}");
    let (status, text) = ctl(&lab, &["--worker", "1", "rollback", "handler"]);
    assert_eq!((status, text.as_str()), (0, "handler 1.0.0 is active\n"));
    let (status, text) = ctl(&lab, &["rollback", "handler"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("worker 0:\nhandler 1.0.0 is active\n"), "{text}");
    assert!(text.contains("dyn-serverctl: worker 1: ") && text.contains("oldest version"), "{text}");
    for _ in 0..20 {
        assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "1.0.0");
    }
    let (status, text) = ctl(&lab, &["--worker", "2", "plugins"]);
    assert_eq!((status, text.as_str()), (2, "dyn-serverctl: there is no worker 2; there are: 0, 1\n"));
    assert_eq!(ctl(&lab, &["metrics"]).0, 2);
    assert!(ctl(&lab, &["metrics", "--worker", "0"]).1.contains("# TYPE"));
    let (status, text) = ctl(&lab, &["health", "--json"]);
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!((status, answers.len()), (0, 2), "{text}");
}

#[test]
fn the_master_counts_what_its_workers_accept() {
    let lab = Lab::new();
    let server = serve_with_workers(&lab, &[]);
    for _ in 0..10 {
        assert_eq!(get(server.url("/")).unwrap().status(), 404);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = forker::status::ask(&socket(&lab)).unwrap();
        if status.accepted == 10 {
            break;
        }
        assert!(Instant::now() < deadline && status.accepted < 10, "{status:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn on_change_exit_replaces_the_workers_and_nobody_is_turned_away() {
    let lab = Lab::new().handler("handler.so", &[]);
    let server = serve_with_workers(&lab, &["--on-change", "exit"]);
    let before = workers(&server);
    assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "1.0.0");
    lab.deploy(&lab.staged(&["VERSION=\"2.0.0\""]), "handler.so");
    let deadline = Instant::now() + PATIENCE;
    while get(server.url("/handler")).unwrap().text().unwrap() != "2.0.0" {
        assert!(Instant::now() < deadline);
    }
    wait_for_others(&server, &before);
    assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "2.0.0");
}

#[test]
fn what_keeps_workers_from_starting_ends_the_master_with_their_words() {
    let lab = Lab::new();
    let fail = |flags: &[&str]| {
        let mut command = crate::lab::server();
        let output = command.args(["--port", "0", "--workers", "2"]).args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let log = fail(&["--plugin-root", "/no/such/root"]);
    assert!(log.contains("/no/such/root"), "{log}");
    let root = lab.root();
    let log = fail(&["--plugin-root", root.to_str().unwrap(), "--admin", "127.0.0.1:9000"]);
    assert!(log.contains("127.0.0.1:9000 cannot be the admin side of several workers"), "{log}");
}
