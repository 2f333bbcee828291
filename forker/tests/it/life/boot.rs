//! Starts that fail, and what a worker is started with.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{FaultFile, children, run, said};
use crate::service::{Service, kill};

#[test]
fn a_worker_that_exits_at_boot_stops_the_master_with_its_own_words() {
    let fault = FaultFile::new("exit-at-boot");
    let began = Instant::now();
    let (code, text) = run(&["--workers", "2", &fault.flag()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("did not get ready: exit code 1: told to exit at boot"), "{text}");
    // Far less than a loop with waits would take.
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_worker_that_hangs_at_boot_stops_the_master() {
    let fault = FaultFile::new("hang-at-boot");
    let (code, text) = run(&["--workers", "2", "--ready-timeout", "0.3", &fault.flag()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not ready within 300ms, killed"), "{text}");
}

#[test]
fn the_marker_given_by_hand_is_explained() {
    // A number of no open descriptor, one of an open one, and nonsense.
    for value in ["1:77", "1:2", "yes"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Service::command(&folder, &[]);
        command.env("FORKER_STARTED_BY", value).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (code, text) = said(&mut command);
        assert_eq!(code, Some(1), "{text}");
        let sentence =
            format!("FORKER_STARTED_BY is set to `{value}`, but this process was not started by a");
        assert!(text.contains(&sentence) && text.contains("unset it"), "{text}");
        assert!(!text.contains("file descriptor"), "{text}");
    }
}

#[test]
fn a_status_path_that_is_taken_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Service::command(&folder, &["--workers", "1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    fs::write(folder.path().join("status.sock"), "mine").unwrap();
    let (code, text) = said(&mut command);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("status.sock: a file that is no socket is there"), "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("status.sock")).unwrap(), "mine");
}

#[test]
fn there_are_as_many_workers_as_were_asked_for() {
    for workers in [1, 5] {
        let service = Service::start(&["--workers", &workers.to_string()]);
        let pids = service.settled(workers);
        assert_eq!(children(service.pid()), pids, "the list is true");
    }
}

#[test]
fn a_worker_has_the_arguments_of_the_master_and_no_descriptor_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // A descriptor that is open in the master and not closed on exec.
    let shell =
        ["sh", "-c", "exec 9</etc/passwd && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_forker-greeting")];
    let command = Service::command_by(&folder, &["--workers", "1"], &shell);
    let service = Service::begin(folder, command);
    let worker = service.settled(1)[0];
    let arguments = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(arguments(worker), arguments(service.pid()));
    let files: Vec<_> = fs::read_dir(format!("/proc/{worker}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !["0", "1", "2"].contains(&entry.file_name().to_str().unwrap()))
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter(|target| target.starts_with("/"))
        .collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
    // Standard input is the master's again, and not the channel that it was.
    assert_eq!(fs::read_link(format!("/proc/{worker}/fd/0")).unwrap().to_str(), Some("/dev/null"));
    let name = fs::read_to_string(format!("/proc/{worker}/comm")).unwrap();
    assert_eq!(name.trim(), "forker-greeting");
}

#[test]
fn workers_stay_on_one_core_each_where_that_is_asked() {
    let service = Service::start(&["--workers", "2", "--affinity"]);
    for worker in service.settled(2) {
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
        let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
        assert!(cores.parse::<usize>().is_ok(), "{cores} is one core");
    }
}

#[test]
fn a_worker_is_ready_soon() {
    let service = Service::start(&["--workers", "1"]);
    service.settled(1);
    let after = service.status().workers[0].ready_after_seconds.unwrap();
    eprintln!("ready after {:.1} ms", after * 1e3);
    // Thirty milliseconds on a machine that is not busy; this one may be.
    assert!(after > 0.0 && after < 3.0, "{after}");
}

/// In a container: nobody else waits for those whose parent is gone.
#[test]
fn as_process_1_it_waits_for_orphans_and_does_not_hand_over() {
    let unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let tried = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine makes no namespace of processes");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // An orphan that ends soon: its parent is gone before the master is there, and it is in a session of its own.
    let shell =
        ["sh", "-c", "(setsid sleep 0.3 &); exec \"$@\"", "sh", env!("CARGO_BIN_EXE_forker-greeting")];
    let words = [&unshare[..], &shell].concat();
    let command = Service::command_by(&folder, &["--workers", "1"], &words);
    let service = Service::begin(folder, command);
    service.settled(1);
    assert_eq!(service.status().pid, 1);
    let (_, master) = forker::status::ask_text(&service.socket()).unwrap();
    service.until("the orphan was waited for", || children(master).len() == 1);
    kill(master, Signal::USR2);
    service.until("it says why not", || service.log().contains("this is process 1"));
    kill(master, Signal::TERM);
    service.until("it has ended", || !service.socket().exists());
}
