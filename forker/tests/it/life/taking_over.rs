//! A new master takes over.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::{FaultFile, ask, program_in, replace_by_itself};
use crate::service::{Service, is_running};

#[test]
fn a_new_master_that_fails_leaves_the_old_one_serving() {
    let fault = FaultFile::new("");
    let service = Service::start(&["--workers", "2", &fault.flag()]);
    let pids = service.settled(2);
    fault.set("exit-at-boot");
    service.signal(Signal::USR2);
    service.until("it fails", || service.log().contains("handing over failed, this master goes on"));
    assert!(service.log().contains("told to exit at boot"), "{}", service.log());
    assert_eq!(service.status().pid, service.pid());
    assert_eq!(service.settled(2), pids);
    assert!(ask(&service).ends_with("greeting!!!"));
}

#[test]
fn a_new_master_is_the_program_that_now_lies_there() {
    let folder = tempfile::tempdir().unwrap();
    let program = program_in(folder.path());
    let status = tempfile::tempdir().unwrap();
    let command = Service::command_by(&status, &["--workers", "2"], &[program.to_str().unwrap()]);
    let mut service = Service::begin(status, command);
    let (old, pids) = (service.pid(), service.settled(2));
    let (address, beside) = (service.tcp(), folder.path().join("broken"));
    fs::write(&beside, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, &program).unwrap();
    service.signal(Signal::USR2);
    replace_after(&service, &program, old);
    assert_eq!(service.settled(2), pids);
    service.signal(Signal::USR2);
    service.until("another master", || service.status().pid != old && !is_running(old));
    assert_eq!(service.tcp(), address);
    let new = service.settled(2);
    assert!(!new.iter().any(|pid| pids.contains(pid)) && !pids.iter().any(|pid| is_running(*pid)));
    service.follow();
    assert!(service.socket().exists(), "the old one leaves the status socket to the new one");
    service.signal(Signal::TERM);
    service.until("it has ended", || !is_running(service.pid()));
    assert!(!service.socket().exists());
}

/// Waits until the broken one has ended, of which the kernel knows as of a child.
fn replace_after(service: &Service, program: &std::path::Path, master: u32) {
    service.until("it has failed", || super::children(master).len() == 2);
    replace_by_itself(program);
}

#[test]
fn a_new_master_may_have_fewer_workers_and_resets_nothing() {
    // The flags stay the same, so that the number comes from what the process may use.
    let service = Service::start(&["--workers", "2"]);
    service.signal(Signal::TTIN);
    service.until("one more", || service.status().workers_wanted == 3);
    service.settled(3);
    let old = service.pid();
    service.signal(Signal::USR2);
    service.until("another master", || service.status().pid != old && !is_running(old));
    // It starts with those that the old one had, and goes back to what it was told when that is gone.
    service.until("as many as the flags say", || service.status().workers_wanted == 2);
    service.settled(2);
    assert!(ask(&service).ends_with("greeting!!!"));
}
