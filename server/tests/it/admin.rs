//! The admin side over its socket, as programs use it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use reqwest::Method;
use reqwest::blocking::{Client, Response, get};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::lab::{Lab, PATIENCE, Server, server};

const PANICS: &str = "WORK=if (request->query.len) return DYNLAB_STATUS_PANICKED;";

/// The socket of a lab's server.
pub(crate) fn socket(lab: &Lab) -> PathBuf {
    lab.root().join("admin.sock")
}

pub(crate) fn serve(lab: &Lab, flags: &[&str]) -> Server {
    let socket = socket(lab);
    let flags: Vec<&str> = flags.iter().copied().chain(["--admin", socket.to_str().unwrap()]).collect();
    lab.serve(&flags)
}

fn ask(lab: &Lab, method: Method, target: &str) -> Response {
    let client = Client::builder().unix_socket(socket(lab)).timeout(PATIENCE).build().unwrap();
    client.request(method, format!("http://localhost{target}")).send().unwrap()
}

fn json_of(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&response.text().unwrap()).unwrap()
}

fn plugins(lab: &Lab) -> Value {
    let response = ask(lab, Method::GET, "/plugins");
    assert_eq!(response.status(), 200);
    json_of(response)["plugins"].take()
}

/// Version and standing of each version of the first plugin, and the version that answers.
fn standings(lab: &Lab) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let plugins = plugins(lab);
    let versions = plugins[0]["versions"].as_array().unwrap();
    versions.iter().map(|version| (text(&version["version"]), text(&version["standing"]))).collect()
}

fn expect_standings(lab: &Lab, expected: &[(&str, &str)]) {
    let found = standings(lab);
    let found: Vec<(&str, &str)> =
        found.iter().map(|(version, standing)| (version.as_str(), standing.as_str())).collect();
    assert_eq!(found, expected);
}

fn change(lab: &Lab, target: &str, status: u16, expected: &Value) {
    let response = ask(lab, Method::POST, target);
    assert_eq!(response.status(), status, "{target}");
    assert_eq!(json_of(response), *expected, "{target}");
}

#[test]
fn a_plugin_is_shown_with_its_file_its_calls_and_their_latency() {
    let lab = Lab::new().handler("a.so", &["ROUTE=\"/a\""]).marker("first", &[]);
    let server = serve(&lab, &[]);
    for _ in 0..3 {
        assert_eq!(get(server.url("/a")).unwrap().status(), 200);
    }
    let all = plugins(&lab);
    let handler = &all[0];
    assert_eq!(handler["name"], "handler");
    assert_eq!(handler["kind"], "handler");
    assert_eq!(handler["route"], "/a");
    assert_eq!(handler["methods"], json!(["GET"]));
    let version = &handler["versions"][0];
    assert_eq!(version["version"], "1.0.0");
    assert_eq!(version["standing"], "active");
    assert_eq!(version["path"], lab.path("a.so").to_str().unwrap());
    assert_eq!(version["sha256"].as_str().unwrap(), sha256_of(&lab.path("a.so")));
    let calls = &version["calls"];
    assert_eq!((&calls["calls"], &calls["errors"], &calls["panics"]), (&json!(3), &json!(0), &json!(0)));
    assert!(calls["total_ns"].as_u64().unwrap() > 0);
    let histogram = calls["histogram"].as_object().unwrap();
    assert_eq!(histogram.values().map(|calls| calls.as_u64().unwrap()).sum::<u64>(), 3);
    // `before` and `after` of each request.
    assert_eq!(all[1]["name"], "first");
    assert_eq!(all[1]["versions"][0]["calls"]["calls"], 6);
}

fn sha256_of(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_once(' ').unwrap().0.to_owned()
}

#[test]
fn a_version_that_panics_is_shown_in_quarantine_until_it_is_released() {
    let lab = Lab::new().handler("1.so", &[]).handler("2.so", &["VERSION=\"1.1.0\"", PANICS]);
    let mut server = serve(&lab, &["--panic-limit", "2"]);
    expect_standings(&lab, &[("1.1.0", "active"), ("1.0.0", "standby")]);
    for _ in 0..2 {
        assert_eq!(get(server.url("/handler?panic")).unwrap().status(), 500);
    }
    server.wait_for_answer("/handler", "1.0.0");
    expect_standings(&lab, &[("1.1.0", "quarantined"), ("1.0.0", "active")]);
    let calls = &plugins(&lab)[0]["versions"][0]["calls"];
    assert_eq!((&calls["calls"], &calls["errors"], &calls["panics"]), (&json!(2), &json!(2), &json!(2)));

    change(&lab, "/plugins/handler/handler/release?version=1.1.0", 200, &json!({ "active": "1.1.0" }));
    expect_standings(&lab, &[("1.1.0", "active"), ("1.0.0", "standby")]);
    server.wait_for_answer("/handler", "1.1.0");
}

#[test]
fn orders_change_what_is_called_and_refusals_say_why() {
    let lab = Lab::new().handler("1.so", &[]).handler("2.so", &["VERSION=\"1.1.0\""]);
    let mut server = serve(&lab, &[]);
    let on = |verb: &str| format!("/plugins/handler/handler/{verb}");
    let refuse = |target: &str, status: u16, part: &str| {
        let response = ask(&lab, Method::POST, target);
        assert_eq!(response.status(), status, "{target}");
        let answer = json_of(response);
        let sentence = answer["error"].as_str().unwrap();
        assert!(sentence.contains(part), "{target}: {sentence}");
    };
    change(&lab, &on("rollback"), 200, &json!({ "active": "1.0.0" }));
    server.wait_for_answer("/handler", "1.0.0");
    expect_standings(&lab, &[("1.1.0", "quarantined"), ("1.0.0", "active")]);
    refuse(&on("rollback"), 409, "oldest version");
    refuse(&on("quarantine"), 409, "handler 1.0.0 stays");
    refuse(&on("release?version=1.0.0"), 409, "not in quarantine");
    refuse(&on("release?version=3.0.0"), 404, "loaded are 1.0.0, 1.1.0");
    refuse(&on("release?version=three"), 400, "write it like 1.2.3");
    refuse(&on("release"), 400, "?version=");
    refuse("/plugins/handler/other/rollback", 404, "there is no handler other");
    refuse("/plugins/middleware/handler/rollback", 404, "there is no middleware handler");
    refuse("/plugins/cache/handler/rollback", 404, "handler or middleware");
    refuse("/nothing", 404, "/nothing");
    change(&lab, &on("release?version=1.1.0"), 200, &json!({ "active": "1.1.0" }));
    server.wait_for_answer("/handler", "1.1.0");
    change(&lab, &on("quarantine?version=1.0.0"), 200, &json!({ "active": "1.1.0" }));
    expect_standings(&lab, &[("1.1.0", "active"), ("1.0.0", "quarantined")]);
    server.wait_for_log("msg=\"changed by an operator\" kind=handler plugin=handler");

    let response = ask(&lab, Method::GET, "/reload");
    assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, "POST"));
    let response = ask(&lab, Method::DELETE, "/plugins");
    assert_eq!(
        (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
        (405, "GET, HEAD")
    );
    let response = ask(&lab, Method::HEAD, "/plugins");
    assert_eq!((response.status().as_u16(), response.text().unwrap().as_str()), (200, ""));
}

#[test]
fn what_is_refused_is_listed_with_its_code() {
    let lab = Lab::new()
        .handler("good.so", &[])
        .fixture("abi-major-2")
        .fixture("garbled-note")
        .fixture("no-note")
        .fixture("undefined-symbol")
        .handler("declines.so", &["NAME=\"declines\"", r#"ACCEPT=dynlab_put(reason, "too old"); return 2;"#]);
    fs::write(lab.path("text.so"), "#!/bin/sh\necho this is no plugin, and it is long enough to show it\n")
        .unwrap();
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"odd-\xff.so");
    fs::write(
        lab.root().join("handlers").join(odd),
        "no plugin either, and its name is no text, as it may be",
    )
    .unwrap();
    let _server = serve(&lab, &[]);
    let answer = json_of(ask(&lab, Method::GET, "/refused"));
    let refused = answer["refused"].as_array().unwrap();
    let code_of = |file: &str| {
        let path = lab.path(file);
        let found = refused.iter().find(|one| one["path"] == path.to_str().unwrap());
        let found = found.unwrap_or_else(|| panic!("no {file} in {refused:?}"));
        assert_eq!(found["kind"], "handler");
        assert!(!found["reason"].as_str().unwrap().is_empty());
        found["code"].as_str().unwrap().to_owned()
    };
    for (file, code) in [
        ("abi-major-2.so", "abi.major"),
        ("garbled-note.so", "note.garbled"),
        ("no-note.so", "note.missing"),
        ("undefined-symbol.so", "symbol.undefined"),
        ("declines.so", "accept.declined"),
        ("text.so", "elf.not-elf"),
        ("odd-\u{fffd}.so", "elf.not-elf"),
    ] {
        assert_eq!(code_of(file), code, "{file}");
    }
    assert_eq!(refused.len(), 7, "{refused:?}");
}

#[test]
fn reload_returns_when_all_that_is_new_is_there() {
    let lab = Lab::new().handler("1.so", &[]);
    let _server = serve(&lab, &["--on-change", "ignore"]);
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\""]), "2.so");
    fs::write(lab.path("text.so"), "this is not a plugin at all, and long enough to be looked at whole")
        .unwrap();
    change(&lab, "/reload", 200, &json!({ "loaded": 2, "refused": 1 }));
    expect_standings(&lab, &[("1.1.0", "active"), ("1.0.0", "standby")]);
}

#[test]
fn health_follows_what_plugins_say_and_which_are_there() {
    let lab = Lab::new().handler(
        "sick.so",
        &[r#"HEALTH=dynlab_put(error, "no database"); return DYNLAB_STATUS_UNAVAILABLE;"#],
    );
    let config = lab.config("[middlewares.guard]\n");
    let _server = serve(&lab, &[&config]);
    let response = ask(&lab, Method::GET, "/health");
    assert_eq!(response.status(), 503);
    let health = json_of(response);
    assert_eq!((&health["live"], &health["healthy"]), (&json!(true), &json!(false)));
    let problems = health["problems"].to_string();
    assert!(problems.contains("the middleware guard is required and not there"), "{problems}");
    assert!(
        problems.contains("the handler handler 1.0.0 is unhealthy") && problems.contains("no database"),
        "{problems}"
    );
    assert_eq!(ask(&lab, Method::GET, "/live").status(), 200);

    let lab = Lab::new().handler("well.so", &[]);
    let _server = serve(&lab, &[]);
    let response = ask(&lab, Method::GET, "/health");
    assert_eq!(response.status(), 200);
    assert_eq!(json_of(response), json!({ "live": true, "healthy": true, "problems": [] }));
}

#[test]
fn metrics_count_what_was_served() {
    let lab = Lab::new().handler("1.so", &[PANICS]).fixture("abi-major-2");
    let server = serve(&lab, &[]);
    for (path, status) in [("/handler", 200), ("/handler?panic", 500), ("/handler", 200), ("/nothing", 404)] {
        assert_eq!(get(server.url(path)).unwrap().status(), status);
    }
    let response = ask(&lab, Method::GET, "/metrics");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().unwrap();
    check_exposition(&text);
    let version = r#"kind="handler",plugin="handler",version="1.0.0""#;
    for line in [
        format!("dynlab_plugin_calls_total{{{version}}} 3"),
        format!("dynlab_plugin_call_errors_total{{{version}}} 1"),
        format!("dynlab_plugin_call_panics_total{{{version}}} 1"),
        format!("dynlab_plugin_call_duration_seconds_count{{{version}}} 3"),
        format!("dynlab_plugin_state{{{version},state=\"active\"}} 1"),
        r#"dynlab_http_responses_total{status="2xx"} 2"#.to_owned(),
        r#"dynlab_http_responses_total{status="4xx"} 1"#.to_owned(),
        r#"dynlab_http_responses_total{status="5xx"} 1"#.to_owned(),
        r#"dynlab_plugins_refused{kind="handler",code="abi.major"} 1"#.to_owned(),
        "dynlab_http_connections_accepted_total 4".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in:\n{text}");
    }
}

/// Holds a text to the rules of the format (prometheus.io, "Exposition formats"): every sample belongs to the family that was
/// announced last, and a histogram's buckets grow to its count.
fn check_exposition(text: &str) {
    assert!(text.ends_with('\n'));
    let (mut family, mut kind, mut seen) = ("", "", Vec::new());
    let mut bucket = (f64::MIN, 0.0);
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(!seen.contains(&family), "{family} comes twice");
            seen.push(family);
        } else if let Some(announced) = line.strip_prefix("# TYPE ") {
            let (name, of_kind) = announced.split_once(' ').unwrap();
            assert_eq!(name, family);
            kind = of_kind;
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(labels.ends_with('}'), "{line}");
            let part = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} is not of {family}"));
            match (kind, part) {
                ("histogram", "_bucket") => {
                    let bound = labels.rsplit_once("le=\"").unwrap().1.trim_end_matches("\"}");
                    let bound = bound.replace("+Inf", "inf").parse().unwrap();
                    let (below, count) = if bucket.0 == f64::INFINITY { (f64::MIN, 0.0) } else { bucket };
                    assert!(bound > below && value >= count, "{line} after {bucket:?}");
                    bucket = (bound, value);
                }
                ("histogram", "_count") => assert_eq!(bucket, (f64::INFINITY, value)),
                ("histogram", "_sum") | ("counter" | "gauge", "") => assert!(value >= 0.0, "{line}"),
                other => panic!("{other:?} in {line}"),
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[test]
fn the_socket_is_the_owners_alone_whatever_the_umask_and_goes_with_the_server() {
    let lab = Lab::new();
    let socket = socket(&lab);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_dyn-server"), "--port", "0"])
        .arg("--plugin-root")
        .arg(lab.root())
        .arg("--admin")
        .arg(&socket);
    let server = Server::start(&mut shell);
    assert_eq!(fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    server.signal(Signal::TERM);
    assert!(server.wait().0.success());
    assert!(!socket.exists());
}

#[test]
fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_an_error() {
    let lab = Lab::new();
    let socket = socket(&lab);
    drop(UnixListener::bind(&socket).unwrap());
    let first = serve(&lab, &[]);
    let second = server()
        .args(["--port", "0", "--plugin-root"])
        .arg(lab.root())
        .arg("--admin")
        .arg(&socket)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("another server listens at") && stderr.contains("--admin"), "{stderr}");
    assert_eq!(ask(&lab, Method::GET, "/live").status(), 200);

    // Whoever put another socket in its place keeps it.
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    let inode = fs::metadata(&socket).unwrap().ino();
    first.signal(Signal::TERM);
    assert!(first.wait().0.success());
    assert_eq!(fs::metadata(&socket).unwrap().ino(), inode);
}

#[test]
fn without_an_address_it_is_in_the_runtime_folder_under_the_servers_port() {
    let lab = Lab::new();
    let runtime = tempfile::tempdir().unwrap();
    let start = |environment: &[(&str, &Path)]| {
        let mut command = server();
        command.env_remove("SERVER_ADMIN").envs(environment.iter().copied());
        Server::start(command.args(["--port", "0", "--plugin-root"]).arg(lab.root()))
    };
    let name = |server: &Server| format!("dyn-server-{}.sock", server.address.port());
    let (service, user) = (runtime.path().join("service"), runtime.path().join("user"));
    fs::create_dir(&service).unwrap();
    fs::create_dir(&user).unwrap();
    let server = start(&[("RUNTIME_DIRECTORY", &service), ("XDG_RUNTIME_DIR", &user)]);
    assert!(service.join(name(&server)).exists());
    let server = start(&[("XDG_RUNTIME_DIR", &user)]);
    assert!(user.join(name(&server)).exists());
    // It serves all the same where there can be none.
    let mut server = start(&[("XDG_RUNTIME_DIR", Path::new("/no/such/folder"))]);
    let line = server.wait_for_log("there is no admin side");
    assert!(line.contains("level=warn") && line.contains("/no/such/folder"), "{line}");
}

#[test]
fn it_answers_while_the_server_drains() {
    let lab = Lab::new().handler("post.so", &["METHOD=\"POST\"", "ROUTE=\"/post\""]);
    let mut server = serve(&lab, &["--shutdown-deadline", "60s", "--read-timeout", "60s"]);
    let mut stream = server.begin_post();
    server.signal(Signal::TERM);
    server.wait_for_log("msg=stopping");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = ask(&lab, Method::GET, "/health");
        if response.status() == 503 {
            assert_eq!(json_of(response)["problems"], json!(["the server is stopping"]));
            break;
        }
        assert!(Instant::now() < deadline, "it does not say that it is stopping");
    }
    stream.write_all(b"body").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    assert!(server.wait().0.success());
}

#[test]
fn a_port_is_for_programs_of_this_machine_and_for_no_page() {
    let lab = Lab::new();
    let mut server = lab.serve(&["--admin", "127.0.0.1:0"]);
    let line = server.wait_for_log("msg=\"admin side\"");
    let address = line.rsplit_once("admin=").unwrap().1;
    let client = Client::new();
    let status = |header: (&str, &str)| {
        let request = client.get(format!("http://{address}/live")).header(header.0, header.1);
        request.send().unwrap().status().as_u16()
    };
    assert_eq!(status(("x-nothing", "")), 200);
    assert_eq!(status(("origin", "http://evil.example")), 403);
    assert_eq!(status(("host", "evil.example")), 403);
    assert_eq!(status(("sec-fetch-site", "cross-site")), 403);

    let output =
        crate::lab::server().args(["--plugin-root", "/", "--admin", "0.0.0.0:9000"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("can be reached from outside") && stderr.contains("127.0.0.1:9000"), "{stderr}");
}

#[test]
fn silent_and_senseless_clients_hold_nobody_up() {
    let lab = Lab::new();
    let _server = serve(&lab, &[]);
    // More than are served at once would be too many; so many may be silent.
    let silent: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(socket(&lab)).unwrap()).collect();
    let mut senseless = UnixStream::connect(socket(&lab)).unwrap();
    senseless.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut answer = String::new();
    senseless.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(ask(&lab, Method::GET, "/live").status(), 200);
    drop(silent);
}
