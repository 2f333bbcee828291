//! New workers, and new programs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;

use super::{FaultFile, ask, program_in, replace_by_itself};
use crate::service::{Service, kill};

/// Which file a process runs.
fn inode_of(pid: u32) -> u64 {
    fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino()
}

/// A service of a program that can be replaced.
fn start(program: &Path, flags: &[&str]) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let command = Service::command_by(&folder, flags, &[program.to_str().unwrap()]);
    Service::begin(folder, command)
}

#[test]
fn a_reload_takes_the_program_that_now_lies_there_and_a_death_before_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let program = program_in(folder.path());
    let service = start(&program, &["--workers", "2"]);
    let before = service.settled(2);
    let old = inode_of(before[0]);
    replace_by_itself(&program);
    let new = fs::metadata(&program).unwrap().ino();
    assert_ne!(old, new);
    kill(before[0], Signal::KILL);
    service.until("another is there", || !service.ready().contains(&before[0]));
    let between = service.settled(2);
    assert_eq!([inode_of(between[0]), inode_of(between[1])], [old, old]);
    service.signal(Signal::HUP);
    service.until("a reload", || service.status().generation == 2);
    let after = service.settled(2);
    assert_eq!([inode_of(after[0]), inode_of(after[1])], [new, new]);
    assert_eq!(inode_of(service.pid()), old, "the master stays");
    // And so does what replaces them.
    kill(after[1], Signal::KILL);
    service.until("another is there", || !service.ready().contains(&after[1]));
    assert_eq!(inode_of(service.settled(2)[1]), new);
}

#[test]
fn a_reload_to_a_broken_program_leaves_the_old_workers_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = program_in(folder.path());
    let service = start(&program, &["--workers", "2", "--ready-timeout", "5"]);
    let pids = service.settled(2);
    let broken = |text: &str, mode: u32| {
        let beside = folder.path().join("broken");
        fs::write(&beside, text).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(beside, &program).unwrap();
    };
    let failed = |times: usize, why: &str| {
        service.signal(Signal::HUP);
        service.until("a reload that fails", || service.log().matches("reload failed").count() == times);
        assert!(service.log().contains(why), "{why}\n{}", service.log());
        assert_eq!(service.settled(2), pids);
        assert_eq!(service.status().generation, 1);
        assert!(ask(&service).ends_with("greeting!!!"));
    };
    broken("#!/bin/sh\nexit 7\n", 0o755);
    failed(1, "exit code 7");
    // Which libcs try as a shell script, some of them.
    broken("no program", 0o755);
    failed(2, "reload failed");
    broken("#!/bin/sh\n", 0o644);
    failed(3, "could not be started: Permission denied");
    fs::remove_file(&program).unwrap();
    failed(4, "No such file or directory");
    // What is broken goes on with the old program, and what is mended is taken.
    kill(pids[0], Signal::KILL);
    service.until("another is there", || !service.ready().contains(&pids[0]));
    service.settled(2);
    replace_by_itself(&program);
    service.signal(Signal::HUP);
    service.until("a reload", || service.log().contains("reloaded"));
    service.settled(2);
    assert!(ask(&service).ends_with("greeting!!!"));
}

#[test]
fn a_reload_to_a_program_that_hangs_leaves_the_old_workers() {
    let fault = FaultFile::new("");
    let service = Service::start(&["--workers", "2", "--ready-timeout", "2", &fault.flag()]);
    let pids = service.settled(2);
    fault.set("hang-at-boot");
    service.signal(Signal::HUP);
    service.until("a reload that fails", || service.log().contains("reload failed"));
    assert!(service.log().contains("not ready within 2s, killed"), "{}", service.log());
    assert_eq!(service.settled(2), pids);
}
