//! Starts that cannot succeed end with status 2 and one sentence that says what to do.

use std::net::TcpListener;
use std::process::Command;

use reqwest::blocking::get;

use crate::lab::{Lab, Server, server};

fn check(command: &mut Command, sentence: &str) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_port_in_use_is_named() {
    let lab = Lab::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = server();
    command.arg("--plugin-root").arg(lab.root()).args(["--addr", &address]);
    check(&mut command, &format!("cannot listen on {address}"));
}

#[test]
fn a_plugin_root_that_does_not_exist_is_named() {
    check(
        server().args(["--plugin-root", "/no/such/folder"]),
        "the plugin root /no/such/folder is not a folder",
    );
    check(&mut server(), "no plugin root is given; name a folder with --plugin-root or SERVER_PLUGIN_ROOT");
}

#[test]
fn wrong_values_are_named() {
    let lab = Lab::new();
    let cases = [
        (["--port", "http"], "--port"),
        (["--read-timeout", "0s"], "must be more than nothing"),
        (["--head-limit", "10"], "must be at least 8192"),
        (["--threads", "0"], "--threads"),
        (["--label", "rack"], "write it like rack=a1"),
        (["--allow-list", "/no/such/list"], "cannot use the allow-list /no/such/list"),
    ];
    for (flags, sentence) in cases {
        check(server().arg("--plugin-root").arg(lab.root()).args(["--port", "0"]).args(flags), sentence);
    }
}

#[test]
fn the_environment_serves_as_well_as_flags() {
    let lab = Lab::new().ip("ip.so");
    let server = Server::start(
        server().env("SERVER_PLUGIN_ROOT", lab.root()).env("SERVER_HOST", "::1").env("SERVER_PORT", "0"),
    );
    assert!(server.address.is_ipv6());
    assert_eq!(get(server.url("/ip")).unwrap().text().unwrap(), r#"{"ip": "::1"}"#);
}

#[test]
fn a_root_without_handlers_is_served_and_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(server().arg("--plugin-root").arg(folder.path()).args(["--port", "0"]));
    assert!(server.wait_for_log("there is no folder of handlers").contains("level=warn"));
    assert_eq!(get(server.url("/")).unwrap().status(), 404);
}

/// Each plugin keeps a file open. The limit of a shell is 1024, too low for a thousand of them; here it is lower, and there are fewer.
#[test]
fn there_may_be_more_plugins_than_open_files_at_first() {
    let lab = (0..80).fold(Lab::new(), |lab, number| {
        let (name, route) = (format!("NAME=\"many{number}\""), format!("ROUTE=\"/many{number}\""));
        lab.handler(&format!("many{number}.so"), &[&name, &route])
    });
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -Sn 64 && exec \"$0\" \"$@\""]).arg(server().get_program());
    limited.args(["--admin", "off", "--port", "0", "--plugin-root"]).arg(lab.root());
    let server = Server::start(&mut limited);
    for number in [0, 79] {
        assert!(get(server.url(&format!("/many{number}"))).unwrap().status().is_success());
    }
}
