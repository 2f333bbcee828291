//! What the sandbox gives a program, what it keeps from it, and that nothing of it survives.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::tool::{Lab, processes_with, skip, wait_for};

const NOBODY: u32 = 65534;

fn check(output: &Output, code: i32, expected: &str) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    assert_eq!(stdout, expected, "{stderr}");
}

fn check_error(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)), "{words:?} in {stderr}");
}

#[test]
fn a_program_sees_what_its_job_says_and_nothing_else() {
    let Some(lab) = Lab::new() else { return };
    check(&lab.exec(&["--env", "A=b c", "--env", "B="], &["env"]), 0, "A=b c\nB=\n");
    check(&lab.exec(&[], &["env"]), 0, "");
    check(&lab.exec(&[], &["stdin"]), 0, "");
    check(&lab.exec(&[], &["list", "/proc/self/fd"]), 0, "0\n1\n2\n3\n");
    let roots = lab.exec(&[], &["list", "/"]);
    let mut names: Vec<_> = std::str::from_utf8(&roots.stdout).unwrap().lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["dev", "etc", "proc", "tmp", "tool"]);
    let status = lab.exec(&[], &["read", "/proc/self/status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "NSpid:\t2\n"] {
        assert!(status.contains(line), "{line} in {status}");
    }
}

#[test]
fn only_tmp_and_writable_mounts_can_be_written() {
    let Some(lab) = Lab::new() else { return };
    let shared = lab.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("given"), "given\n").unwrap();
    let folder = shared.display();
    let options = [
        format!("--mount={folder}:/read"),
        format!("--mount={folder}:/deep/er/write:rw"),
        format!("--mount={folder}/given:/etc/inner/file"),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let targets = ["/x", "/etc/x", "/dev/x", "/read/x", "/etc/inner/file", "/proc/sys/kernel/core_pattern"];
    for target in targets {
        let expected = format!("{target}: Read-only file system\n");
        check(&lab.exec(&options, &["write", target]), 0, &expected);
    }
    for target in ["/tmp/x", "/dev/shm/x", "/dev/null", "/deep/er/write/x"] {
        check(&lab.exec(&options, &["write", target]), 0, &format!("{target}: ok\n"));
    }
    assert!(shared.join("x").is_file(), "a writable mount is the folder itself");
    let reads = ["read", "/read/given", "read", "/etc/inner/file", "read", "/etc/inner/kept"];
    check(&lab.exec(&options, &reads), 0, "given\ngiven\nkept\n");
    check(&lab.exec(&[], &["list", "/tmp"]), 0, "");
    assert_eq!(fs::read_dir(lab.rootfs()).unwrap().count(), 2, "nothing was written into the image");
    assert_eq!(fs::read_dir(lab.rootfs().join("etc/inner")).unwrap().count(), 1);
}

#[test]
fn no_network_but_loopback() {
    let Some(lab) = Lab::new() else { return };
    check(&lab.exec(&[], &["connect", "192.0.2.1"]), 0, "192.0.2.1: Network is unreachable\n");
    check(&lab.exec(&[], &["connect", "127.0.0.1"]), 0, "127.0.0.1: Connection refused\n");
}

#[test]
fn the_end_of_a_program_is_reported() {
    let Some(lab) = Lab::new() else { return };
    check(&lab.exec(&[], &["exit", "7"]), 7, "");
    // Neither would happen to a process 1: it is immune to its own signals.
    for (verbs, code) in [(["signal", "9"], 137), (["abort", ""], 134), (["signal", "15"], 143)] {
        check(&lab.exec(&[], &verbs), code, "");
    }
    let output = lab.exec(&[], &["stderr", "to stderr"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "to stderr\n");
}

#[test]
fn the_deadline_kills_the_whole_tree() {
    let Some(lab) = Lab::new() else { return };
    let mark = "mark-of-the-deadline-test";
    let begun = Instant::now();
    check(&lab.exec(&["--deadline", "0.3"], &["hang", mark]), 124, "hanging\n");
    assert!(begun.elapsed().as_secs() < 10);
    assert_eq!(processes_with(mark), [""; 0]);
}

#[test]
fn an_interrupt_ends_everything_with_130() {
    let Some(lab) = Lab::new() else { return };
    let mark = "mark-of-the-interrupt-test";
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::TERM, Some(143)), (Signal::KILL, None)] {
        let mut xtask =
            lab.command(&[], &["hang", mark]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(xtask.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "hanging\n");
        kill_process(Pid::from_child(&xtask), signal).unwrap();
        let status = xtask.wait().unwrap();
        assert_eq!(status.code(), code, "{status}");
        if signal == Signal::KILL {
            assert_eq!(status.signal(), Some(9));
            wait_for("the orphaned sandbox ends by itself", || processes_with(mark).is_empty());
        }
        assert_eq!(processes_with(mark), [""; 0], "after {signal:?}");
    }
}

#[test]
fn an_ordinary_user_can_do_the_same() {
    let Some(lab) = Lab::new() else { return };
    if !geteuid().is_root() {
        skip::<()>("these tests already run as an ordinary user");
        return;
    }
    let as_nobody = |verbs: &[&str]| lab.command(&[], verbs).uid(NOBODY).gid(NOBODY).output().unwrap();
    let output = as_nobody(&["write", "/tmp/x", "write", "/x", "connect", "192.0.2.1", "exit", "3"]);
    check(&output, 3, "/tmp/x: ok\n/x: Read-only file system\n192.0.2.1: Network is unreachable\n");
    let map = String::from_utf8(as_nobody(&["read", "/proc/self/uid_map"]).stdout).unwrap();
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "65534", "1"]);
}

#[test]
fn root_passes_through_the_private_folder_of_a_user() {
    let Some(lab) = Lab::new() else { return };
    if !geteuid().is_root() {
        skip::<()>("needs root");
        return;
    }
    fs::set_permissions(lab.path(), fs::Permissions::from_mode(0o700)).unwrap();
    chown(lab.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    check(&lab.exec(&[], &["exit", "5"]), 5, "");
}

#[test]
fn a_sandbox_brings_its_own_emulator() {
    let Some(lab) = Lab::new() else { return };
    // The start of an aarch64 executable (ELF header, e_machine 183), which is all that the kernel looks at.
    let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0";
    fs::write(lab.rootfs().join("arm"), header).unwrap();
    header[18] = 0xf3;
    fs::write(lab.rootfs().join("riscv"), header).unwrap();
    let emulator = lab.path().join("emulator");
    fs::copy(lab.rootfs().join("tool"), &emulator).unwrap();
    let run = |program: &str| {
        let path = lab.rootfs().join(program.trim_start_matches('/'));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(lab.xtask());
        command.args(["exec", "--arch", "aarch64", "--rootfs"]).arg(lab.rootfs());
        command.arg("--emulator").arg(&emulator).args(["--", program, "argument"]).output().unwrap()
    };
    let output = run("/arm");
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("programs do not run here") || cfg!(target_arch = "aarch64") {
        skip::<()>(&stderr);
        return;
    }
    // The emulator is the tool, which takes the path of what it shall emulate for a verb.
    assert!(output.status.code() == Some(64) && stderr == "unknown verb /arm\n", "{stderr}");
    check_error(&run("/riscv"), &["cannot start /riscv", "Exec format error"]);
}

#[test]
fn a_wrong_job_says_what_is_wrong() {
    let Some(lab) = Lab::new() else { return };
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--mount=/nowhere:/x"], &["cannot mount /nowhere at /x"]),
        (&["--mount=/etc:/proc/x"], &["/proc/x", "would cover"]),
        (&["--mount=/etc:x"], &["must be an absolute path"]),
        (
            &["--mount=/etc:/x", "--mount=/etc:/x/no-such-entry"],
            &["inside mount /x", "/etc has no such entry"],
        ),
        (&["--cwd=/nowhere"], &["no folder /nowhere"]),
        (&["--rootfs=/nowhere"], &["not unpacked"]),
    ];
    for (options, words) in cases {
        let mut command = Command::new(lab.xtask());
        command.arg("exec").args(options);
        if !options[0].starts_with("--rootfs") {
            command.arg("--rootfs").arg(lab.rootfs());
        }
        check_error(&command.args(["--", "/tool"]).output().unwrap(), words);
    }
    let missing = Command::new(lab.xtask())
        .args(["exec", "--rootfs"])
        .arg(lab.rootfs())
        .args(["--", "/nonesuch"])
        .output()
        .unwrap();
    check_error(&missing, &["`/nonesuch` in image", "No such file or directory"]);
}

#[test]
fn a_machine_without_user_namespaces_names_the_cure() {
    let Some(lab) = Lab::new() else { return };
    let xtask = lab.command(&[], &["exit", "0"]);
    // In a user namespace of its own, even an ordinary user may forbid further ones.
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", forbid, "sh"])
        .arg(xtask.get_program())
        .args(xtask.get_args())
        .output();
    match output {
        Ok(output) => check_error(
            &output,
            &["user.max_user_namespaces is 0", "sysctl -w user.max_user_namespaces=", "--engine docker"],
        ),
        Err(error) => drop(skip::<()>(&format!("unshare does not start: {error}"))),
    }
}
