//! Good plugins beside bad ones.

use std::fs;

use reqwest::blocking::get;

use crate::lab::{Lab, compile, set_mode};

/// A constructor that ends the process with success.
const INIT: &str = "ACCEPT=return DYNLAB_STATUS_OK; } __attribute__((constructor)) static void leave(void) { extern void exit(int); exit(0);";

#[test]
fn bad_plugins_are_logged_with_their_code_and_harm_nobody() {
    let lab = Lab::new()
        .ip("ip.so")
        .fixture("abi-major-2")
        .fixture("abi-minor-newer")
        .fixture("garbled-note")
        .fixture("no-entry")
        .fixture("no-note")
        .fixture("undefined-symbol")
        .fixture("unknown-kind")
        .fixture("abi-minor-older")
        .fixture("abort-in-init")
        .fixture("endless-init")
        .fixture_built_with("static-executable", &["-static", "-nostdlib", "-fno-pie", "-no-pie"])
        .missing_library()
        .built("panic-in-create", "panic-in-create.so")
        .handler("exits.so", &["NAME=\"exits\"", INIT])
        .handler("declines.so", &["NAME=\"declines\"", r#"ACCEPT=dynlab_put(reason, "too old"); return 2;"#])
        .handler("method.so", &["NAME=\"method\"", "METHOD=\"get it\""])
        .handler("writable.so", &["NAME=\"writable\""]);
    let ip = fs::read(lab.path("ip.so")).unwrap();
    fs::write(lab.path("truncated.so"), &ip[..5_000]).unwrap();
    fs::write(lab.path("text.so"), "#!/bin/sh\necho this is no plugin, and it is long enough to show it\n")
        .unwrap();
    fs::write(lab.path(".half-copied.so"), &ip[..100]).unwrap();
    fs::write(lab.path("README"), "not a plugin and not named like one").unwrap();
    set_mode(&lab.path("writable.so"), 0o666);
    std::os::unix::fs::symlink("ip.so", lab.path("link.so")).unwrap();

    let mut server = lab.serve(&["--load-timeout", "500ms"]);
    let cases = [
        ("abort-in-init", "trial.crashed"),
        ("endless-init", "trial.hung"),
        ("exits", "trial.exited"),
        ("static-executable", "elf.type"),
        ("missing-library", "library.missing"),
        ("panic-in-create", "create.panicked"),
        ("abi-major-2", "abi.major"),
        ("abi-minor-newer", "abi.minor"),
        ("garbled-note", "note.garbled"),
        ("no-entry", "entry.missing"),
        ("no-note", "note.missing"),
        ("undefined-symbol", "symbol.undefined"),
        ("unknown-kind", "abi.kind"),
        ("declines", "accept.declined"),
        ("method", "descriptor.malformed"),
        ("writable", "file.mode"),
        ("truncated", "elf.truncated"),
        ("text", "elf.not-elf"),
        ("link", "file.type"),
    ];
    for (name, code) in cases {
        let line = server.wait_for_log(&format!("handlers/{name}.so code="));
        assert!(line.contains(&format!(" code={code} reason=")), "{line}");
        assert!(line.contains("level=error msg=\"plugin refused\""), "{line}");
    }
    assert!(server.wait_for_log("declines.so").contains("too old"));
    let line = server.wait_for_log("abort-in-init.so code=");
    assert!(line.contains("ended by signal: 6 (SIGABRT)"), "{line}");
    assert_eq!(get(server.url("/ip")).unwrap().status(), 200);
    server.wait_for_log("msg=loaded plugin=abi-minor-older");
    drop(server.connect());
    server.signal(rustix::process::Signal::TERM);
    let (_, log) = server.wait();
    assert!(!log.contains("half-copied") && !log.contains("README"), "{log}");
}

#[test]
fn a_route_belongs_to_the_first_plugin_by_name() {
    let lab = Lab::new()
        .handler("1.so", &["NAME=\"beta\"", "ROUTE=\"/x\"", "ANSWER=\"beta\""])
        .handler("2.so", &["NAME=\"alpha\"", "ROUTE=\"/x\"", "ANSWER=\"alpha\""]);
    let mut server = lab.serve(&[]);
    let line = server.wait_for_log("code=route.taken");
    assert!(line.contains("beta 1.0.0 wants the route /x, which alpha 1.0.0 has"), "{line}");
    assert_eq!(get(server.url("/x")).unwrap().text().unwrap(), "alpha");
}

#[test]
fn the_same_plugin_under_two_names_is_served_once() {
    let lab = Lab::new().ip("ip.so").ip("ip-copy.so");
    let mut server = lab.serve(&[]);
    let line = server.wait_for_log("code=plugin.duplicate");
    assert!(line.contains("path=") && line.contains("handlers/ip.so code="), "{line}");
    assert!(line.contains("handlers/ip-copy.so is ip 0.1.0 already"), "{line}");
    assert_eq!(get(server.url("/ip")).unwrap().status(), 200);
}

#[test]
fn the_newest_version_answers_until_it_panics_too_often() {
    let panics = "WORK=if (request->query.len) return DYNLAB_STATUS_PANICKED;";
    let lab =
        Lab::new().handler("a.so", &["VERSION=\"1.10.0\"", panics]).handler("b.so", &["VERSION=\"1.9.0\""]);
    let mut server = lab.serve(&[]);
    let answer = |path: &str| get(server.url(path)).unwrap().text().unwrap();
    assert_eq!(answer("/handler"), "1.10.0");
    for _ in 0..5 {
        assert_eq!(answer("/handler?panic"), "Internal Server Error\n");
    }
    assert_eq!(answer("/handler?panic"), "1.9.0");
    let line = server.wait_for_log("quarantined");
    assert!(line.contains("plugin=handler version=1.10.0 kind=handler panics=5"), "{line}");
    server.wait_for_log("msg=activated plugin=handler version=1.9.0 kind=handler instead_of=1.10.0");
}

#[test]
fn a_failing_handler_gives_500_for_that_request_and_tells_only_the_log() {
    let fails = r#"WORK=dynlab_put(error, "the secret is 42"); if (request->query.len) return DYNLAB_STATUS_PANICKED;"#;
    let lab = Lab::new().handler("a.so", &[fails]);
    let mut server = lab.serve(&[]);
    let response = get(server.url("/handler?x")).unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().unwrap(), "Internal Server Error\n");
    let line = server.wait_for_log("code=call.panicked");
    assert!(line.contains("the secret is 42") && line.contains("path=/handler"), "{line}");
    assert_eq!(get(server.url("/handler")).unwrap().text().unwrap(), "1.0.0");
}

#[test]
fn responses_that_http_forbids_are_500() {
    let splits =
        r#"WORK=response->add_header(response->context, dynlab_text("x"), dynlab_bytes("1\r\ny: 2", 7));"#;
    let lab = Lab::new().handler("a.so", &[splits]);
    let mut server = lab.serve(&[]);
    assert_eq!(get(server.url("/handler")).unwrap().status(), 500);
    server.wait_for_log("code=call.invalid-argument");
}

#[test]
fn only_plugins_on_the_allow_list_are_loaded() {
    let lab = Lab::new().ip("ip.so").handler("a.so", &[]);
    let list = lab.root().join("allowed");
    fs::write(&list, sha256sum(&lab.path("a.so"))).unwrap();
    let mut server = lab.serve(&["--allow-list", list.to_str().unwrap()]);
    server.wait_for_log("handlers/ip.so code=file.not-allowed");
    assert_eq!(get(server.url("/handler")).unwrap().status(), 200);
    assert_eq!(get(server.url("/ip")).unwrap().status(), 404);
}

#[test]
fn plugins_whose_panics_end_the_server_are_loaded_only_if_that_is_allowed() {
    let lab = Lab::new().ip("ip.so").handler("a.so", &[r#"DYNLAB_PROFILE="release+abort""#]);
    let mut server = lab.serve(&[]);
    let line = server.wait_for_log("handlers/a.so code=panic.abort");
    assert!(line.contains("--allow-abort"), "{line}");
    assert_eq!(get(server.url("/handler")).unwrap().status(), 404);
    assert_eq!(get(server.url("/ip")).unwrap().status(), 200);

    let mut server = lab.serve(&["--allow-abort"]);
    assert_eq!(get(server.url("/handler")).unwrap().status(), 200);
    server.wait_for_log("a panic in it ends this process");
}

fn sha256sum(file: &std::path::Path) -> Vec<u8> {
    std::process::Command::new("sha256sum").arg(file).output().unwrap().stdout
}

/// The versions in `plugins/showcase`: two good ones, one that declines most hosts, one that is broken.
#[test]
fn of_the_showcase_the_newest_that_can_and_will_is_served() {
    let lab = Lab::new()
        .built("showcase-valid-0-1", "showcase-0.1.0.so")
        .built("showcase-valid-0-2", "showcase-0.2.0.so")
        .built("showcase-declines", "showcase-0.3.0.so");
    compile(&lab.path("showcase-0.4.0.so"), "plugins/showcase/broken/plugin.c", &[]);
    let version = |server: &crate::lab::Server| {
        let answer = get(server.url("/showcase")).unwrap().text().unwrap();
        ["0.1.0", "0.2.0", "0.3.0"].into_iter().find(|version| answer.contains(version))
    };
    let mut server = lab.serve(&[]);
    assert_eq!(version(&server), Some("0.2.0"));
    assert!(server.wait_for_log("showcase-0.3.0.so code=accept.declined").contains("showcase=allowed"));
    server.wait_for_log("showcase-0.4.0.so code=symbol.undefined");
    assert_eq!(version(&lab.serve(&["--label", "showcase=allowed"])), Some("0.3.0"));
    fs::remove_file(lab.path("showcase-0.2.0.so")).unwrap();
    server.wait_for_log("showcase 0.2.0 is gone");
    // It is said first and done right after.
    server.wait_for_answer_that("/showcase", "0.1.0", |answer| answer.contains("0.1.0"));
}
