//! docker and podman give a program what the sandbox gives it. Each test is skipped where the engine does not answer.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::tool::{Lab, processes_with, skip};

/// The time of every file in an image, 2000-01-01.
const MODIFIED: u64 = 946_684_800;

struct Engine {
    lab: Lab,
    name: &'static str,
    image: PathBuf,
    docker_host: Option<String>,
    /// `xtask with-docker`, while it keeps an engine running for this test.
    keeper: Option<Child>,
}

impl Engine {
    fn new(name: &'static str) -> Option<Engine> {
        let lab = Lab::new()?;
        let image = make_image(&lab);
        let mut engine = Engine { lab, name, image, docker_host: None, keeper: None };
        let output = engine.exec(&[], &["exit", "0"]);
        if output.status.success() {
            return Some(engine);
        }
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let silent = stderr.contains("no docker engine answers");
        if silent && geteuid().is_root() && Path::new("/usr/sbin/dockerd").exists() {
            engine.start_engine();
            return Some(engine);
        }
        let unavailable =
            ["is not installed", "podman does not work here"].iter().any(|words| stderr.contains(words));
        assert!(silent || unavailable, "{stderr}");
        skip(&stderr)
    }

    fn start_engine(&mut self) {
        let tell_and_wait = "echo \"$DOCKER_HOST\"; read -r line";
        let mut keeper = Command::new(self.lab.xtask())
            .args(["with-docker", "--", "sh", "-c", tell_and_wait])
            .env("DYNLAB_CACHE", self.lab.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut host = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut host).unwrap();
        assert!(host.starts_with("unix://"), "{host:?}");
        self.docker_host = Some(host.trim().to_owned());
        self.keeper = Some(keeper);
    }

    fn command(&self, options: &[&str], verbs: &[&str]) -> Command {
        let mut command = Command::new(self.lab.xtask());
        command.args(["exec", "--engine", self.name, "--rootfs"]).arg(self.image.join("rootfs"));
        command.args(options).args(["--", "/tool"]).args(verbs);
        if let Some(host) = &self.docker_host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    fn exec(&self, options: &[&str], verbs: &[&str]) -> Output {
        self.command(options, verbs).output().unwrap()
    }

    fn check(&self, options: &[&str], verbs: &[&str], code: i32, expected: &str) {
        let output = self.exec(options, verbs);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
        assert_eq!(stdout, expected, "{stderr}");
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

/// The folder of an image as the cache has it, made of the lab's tool.
fn make_image(lab: &Lab) -> PathBuf {
    let tool = fs::read(lab.rootfs().join("tool")).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header.set_size(tool.len() as u64);
    let mut layer = tar::Builder::new(Vec::new());
    layer.append_data(&mut header, "tool", &tool[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let diff_id = hex(&layer);
    let entries =
        json!({ "tool": { "node": { "file": { "size": tool.len(), "content": 0 } }, "mode": 0o755 } });
    let layers = json!([{ "diff_id": diff_id, "size": layer.len(), "made_by": "test", "tree": { "entries": entries } }]);
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "config": { "Env": ["FROM_IMAGE=1"] },
        "created": "2000-01-01T00:00:00Z",
        "history": [{ "created": "2000-01-01T00:00:00Z", "created_by": "test" }],
        "os": "linux",
        "rootfs": { "diff_ids": [format!("sha256:{diff_id}")], "type": "layers" },
    })
    .to_string();
    let folder = lab.path().join(hex(config.as_bytes()));
    fs::create_dir_all(folder.join("rootfs")).unwrap();
    fs::write(folder.join("layers.json"), layers.to_string()).unwrap();
    fs::write(folder.join("config.json"), config).unwrap();
    fs::copy(lab.rootfs().join("tool"), folder.join("rootfs/tool")).unwrap();
    folder
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn a_program_gets_the_same_surroundings(engine: &Engine) {
    let environment = engine.exec(&["--env", "A=b c", "--env", "HOME=/"], &["env"]);
    let mut variables: Vec<_> = std::str::from_utf8(&environment.stdout).unwrap().lines().collect();
    variables.retain(|variable| *variable != "HOSTNAME=sandbox");
    variables.sort_unstable();
    assert_eq!(variables, ["A=b c", "HOME=/"], "{}", String::from_utf8_lossy(&environment.stderr));

    let shared = engine.lab.path().join("shared, with comma");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("given"), "given\n").unwrap();
    let options =
        [format!("--mount={}:/read", shared.display()), format!("--mount={}:/deep/er:rw", shared.display())];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let verbs =
        ["write", "/x", "write", "/read/x", "write", "/tmp/x", "write", "/deep/er/x", "read", "/read/given"];
    let expected =
        "/x: Read-only file system\n/read/x: Read-only file system\n/tmp/x: ok\n/deep/er/x: ok\ngiven\n";
    engine.check(&options, &verbs, 0, expected);
    assert!(shared.join("x").is_file());

    let refused = "192.0.2.1: Network is unreachable\n127.0.0.1: Connection refused\n";
    engine.check(&[], &["connect", "192.0.2.1", "connect", "127.0.0.1"], 0, refused);
    let status = engine.exec(&[], &["read", "/proc/self/status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} in {status}");
    }
}

fn ends_are_reported(engine: &Engine) {
    engine.check(&[], &["exit", "7"], 7, "");
    engine.check(&[], &["signal", "9"], 137, "");
    let mark = format!("mark-of-the-{}-deadline", engine.name);
    engine.check(&["--deadline", "3"], &["hang", &mark], 124, "hanging\n");
    assert_eq!(processes_with(&mark), [""; 0]);

    let mut missing = engine.command(&[], &[]);
    let output = missing.args(["--mount", "/nowhere:/x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "what follows the program is its own");
    let output = engine.exec(&["--mount", "/nowhere:/x"], &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("cannot mount /nowhere at /x"), "{stderr}");
}

fn an_interrupt_leaves_nothing(engine: &Engine) {
    let mark = format!("mark-of-the-{}-interrupt", engine.name);
    let mut xtask =
        engine.command(&[], &["hang", &mark]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(xtask.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "hanging\n");
    kill_process(Pid::from_child(&xtask), Signal::INT).unwrap();
    let mut stderr = String::new();
    xtask.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(xtask.wait().unwrap().code(), Some(130), "{stderr}");
    assert_eq!(processes_with(&mark), [""; 0]);
}

fn a_killed_run_is_tidied_up_by_the_next(engine: &Engine) {
    let mark = format!("mark-of-a-killed-{}", engine.name);
    let mut xtask = engine.command(&[], &["hang", &mark]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(xtask.stdout.take().unwrap()).read_line(&mut line).unwrap();
    xtask.kill().unwrap();
    xtask.wait().unwrap();
    engine.check(&[], &["exit", "0"], 0, "");
    assert_eq!(processes_with(&mark), [""; 0]);
}

fn check_all(name: &'static str) {
    let Some(engine) = Engine::new(name) else { return };
    a_program_gets_the_same_surroundings(&engine);
    ends_are_reported(&engine);
    an_interrupt_leaves_nothing(&engine);
    a_killed_run_is_tidied_up_by_the_next(&engine);
}

#[test]
fn docker_runs_programs_as_the_sandbox_does() {
    check_all("docker");
}

#[test]
fn podman_runs_programs_as_the_sandbox_does() {
    check_all("podman");
}
