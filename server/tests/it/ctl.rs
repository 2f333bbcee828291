//! `dyn-serverctl` against a real server, as an operator types it.

use std::process::Command;

use reqwest::blocking::get;
use serde_json::Value;

use crate::admin::{serve, socket};
use crate::lab::Lab;

/// A run: its status and what it says on standard output and standard error.
struct Run {
    status: i32,
    stdout: String,
    stderr: String,
}

fn ctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dyn-serverctl"));
    command.env_clear();
    command
}

fn run(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn ask(lab: &Lab, arguments: &[&str]) -> Run {
    run(ctl().arg("--admin").arg(socket(lab)).args(arguments))
}

/// Runs, wants this status, and gives standard output, or standard error if that is empty.
fn expect(lab: &Lab, arguments: &[&str], status: i32) -> String {
    let run = ask(lab, arguments);
    assert_eq!(run.status, status, "{arguments:?}: {}{}", run.stdout, run.stderr);
    if run.stdout.is_empty() { run.stderr } else { run.stdout }
}

#[test]
fn plugins_are_a_table_and_orders_are_answered_in_a_sentence() {
    let lab = Lab::new()
        .handler("1.so", &[])
        .handler("2.so", &["VERSION=\"1.1.0\""])
        .marker("first", &[])
        .fixture("abi-major-2");
    let server = serve(&lab, &[]);
    assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "1.1.0");
    let table = expect(&lab, &["plugins"], 0);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "KIND", "VERSION", "STATE", "CALLS", "ERRORS", "PANICS", "P50", "P99"]);
    assert_eq!(rows[1][..7], ["handler", "handler", "1.1.0", "active", "1", "0", "0"]);
    assert_eq!(rows[2], ["handler", "handler", "1.0.0", "standby", "0", "0", "0", "-", "-"]);
    assert_eq!(rows[3][..7], ["first", "middleware", "1.0.0", "active", "2", "0", "0"]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");

    let refused = expect(&lab, &["refused"], 0);
    assert!(refused.contains("abi-major-2.so\n  abi.major: "), "{refused}");
    assert_eq!(expect(&lab, &["rollback", "handler"], 0), "handler 1.0.0 is active\n");
    assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "1.0.0");
    assert!(expect(&lab, &["rollback", "handler"], 1).contains("oldest version"));
    assert_eq!(expect(&lab, &["release", "handler", "1.1.0"], 0), "handler 1.1.0 is active\n");
    assert_eq!(expect(&lab, &["quarantine", "handler"], 0), "handler 1.0.0 is active\n");
    let quarantined = expect(&lab, &["quarantine", "--kind", "handler", "handler", "1.0.0"], 1);
    assert!(quarantined.contains("handler 1.0.0 stays"), "{quarantined}");
    assert!(expect(&lab, &["rollback", "nobody"], 1).contains("loaded are: handler, first"));
    let reloaded = expect(&lab, &["reload"], 0);
    assert!(reloaded.contains("loaded versions: 3, refused: 1"), "{reloaded}");
    assert_eq!(expect(&lab, &["health"], 0), "healthy\n");
    assert!(expect(&lab, &["metrics"], 0).contains("\ndynlab_plugin_calls_total{"));
    let answer: Value = serde_json::from_str(&expect(&lab, &["plugins", "--json"], 0)).unwrap();
    assert_eq!(answer["plugins"][0]["versions"][0]["standing"], "quarantined");
}

#[test]
fn a_server_that_is_not_healthy_is_status_1() {
    let lab = Lab::new();
    let config = lab.config("[middlewares.guard]\n");
    let _server = serve(&lab, &[&config]);
    let said = expect(&lab, &["health"], 1);
    assert!(said.starts_with("not healthy:\n  the middleware guard is required"), "{said}");
    assert!(expect(&lab, &["plugins"], 0).contains("the middleware guard is required"));
}

#[test]
fn a_name_that_both_kinds_have_needs_the_kind() {
    let lab = Lab::new().handler("a.so", &["NAME=\"twin\""]).marker("twin", &[]);
    let _server = serve(&lab, &[]);
    assert!(expect(&lab, &["rollback", "twin"], 2).contains("--kind middleware"));
    assert!(expect(&lab, &["rollback", "twin", "--kind", "middleware"], 1).contains("oldest version"));
}

#[test]
fn a_server_that_cannot_be_reached_is_status_2_and_says_where_it_was_looked_for() {
    let lab = Lab::new();
    let said = expect(&lab, &["plugins"], 2);
    assert!(said.contains("admin.sock") && said.contains("start the server"), "{said}");
    drop(std::os::unix::net::UnixListener::bind(socket(&lab)).unwrap());
    assert!(expect(&lab, &["plugins"], 2).contains("nobody listens there"));

    let said = run(ctl().env("XDG_RUNTIME_DIR", lab.root()).args(["health", "--port", "81"]));
    assert_eq!(said.status, 2);
    let path = lab.root().join("dyn-server-81.sock");
    assert!(
        said.stderr.contains(path.to_str().unwrap()) && said.stderr.contains("--port"),
        "{}",
        said.stderr
    );
    assert_eq!(run(ctl().arg("plugins").args(["--admin", "192.0.2.1:80"])).status, 2);
    assert_eq!(run(&mut ctl()).status, 2);
}

#[test]
fn the_socket_is_found_by_the_port() {
    let lab = Lab::new();
    let mut command = crate::lab::server();
    command.env_remove("SERVER_ADMIN").env("XDG_RUNTIME_DIR", lab.root());
    let server = crate::lab::Server::start(command.args(["--port", "0", "--plugin-root"]).arg(lab.root()));
    let port = server.address.port().to_string();
    let said = run(ctl().env("XDG_RUNTIME_DIR", lab.root()).args(["--port", &port, "health"]));
    assert_eq!((said.status, said.stdout.as_str()), (0, "healthy\n"), "{}", said.stderr);
}
