//! The unit for systemd, `dyn-server.service`, agrees with the programs that it starts.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::lab::{Lab, Server, repository, server};

/// Settings by name; each may be given several times.
fn unit() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(repository().join("server/dyn-server.service")).unwrap();
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
    {
        settings.entry(name.to_owned()).or_default().push(value.to_owned());
    }
    settings
}

fn words(setting: &str) -> Vec<String> {
    unit()[setting][0].split(' ').map(str::to_owned).collect()
}

#[test]
fn it_starts_programs_that_exist_with_flags_and_verbs_that_they_have() {
    let programs = [env!("CARGO_BIN_EXE_dyn-server"), env!("CARGO_BIN_EXE_dyn-serverctl")];
    for (setting, program) in ["ExecStart", "ExecReload"].into_iter().zip(programs) {
        let words = words(setting);
        assert_eq!(words[0].rsplit('/').next(), program.rsplit('/').next());
        let help = Command::new(program).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let known: Vec<&str> = help.split_whitespace().collect();
        for word in words[1..].iter().filter(|word| !word.starts_with('/')) {
            assert!(
                known.contains(&word.as_str()) || help.contains(&format!("({word})")),
                "{word:?} is not in:\n{help}"
            );
        }
    }
}

#[test]
fn with_its_flags_a_change_of_the_plugins_is_a_start() {
    let lab = Lab::new().handler("handler.so", &[]);
    let root = lab.root().display().to_string();
    let flags = words("ExecStart").split_off(1).into_iter();
    let flags = flags.map(|word| if word.starts_with("/srv/") { root.clone() } else { word });
    let server = Server::start(server().args(flags).args(["--port", "0"]));
    lab.deploy(&lab.staged(&["VERSION=\"1.1.0\""]), "handler-2.so");
    let (status, log) = server.wait();
    let code = status.code().unwrap().to_string();
    for setting in ["RestartForceExitStatus", "SuccessExitStatus"] {
        assert_eq!(unit()[setting], [code.as_str()], "{setting}, {log}");
    }
}

#[test]
fn a_start_that_cannot_succeed_is_not_tried_again() {
    let status = server().args(["--plugin-root", "/no/such/folder"]).output().unwrap().status;
    assert_eq!(unit()["RestartPreventExitStatus"], [status.code().unwrap().to_string()]);
}

#[test]
fn systemd_finds_nothing_wrong_with_it() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: dyn-server.service read by systemd (no `systemd-analyze` here; install systemd)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dyn-server.service");
    let text = fs::read_to_string(repository().join("server/dyn-server.service")).unwrap();
    let programs = env!("CARGO_BIN_EXE_dyn-server").rsplit_once('/').unwrap().0;
    fs::write(&file, text.replace("/usr/local/bin", programs)).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).arg(&file).output().unwrap();
    // Whatever it says about this unit; others of this machine are not our business.
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = said.lines().filter(|line| line.contains("dyn-server.service")).collect();
    assert!(complaints.is_empty(), "{said}");
}
