//! What a user gets wrong, or a machine lacks: one sentence with the cure, the exit code that was promised, nothing half-made.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A machine with an empty cache and no network.
struct Machine {
    folder: TempDir,
    /// Root of a repository other than the one that xtask was built from.
    repository: Option<PathBuf>,
    mirror: String,
}

impl Machine {
    fn new() -> Machine {
        // A port that nobody listens on any more.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Machine {
            folder: tempfile::tempdir().unwrap(),
            repository: None,
            mirror: format!("http://{closed}/debian"),
        }
    }

    /// The same with a copy of what is committed, to be spoilt.
    fn with_copy() -> Machine {
        let mut machine = Machine::new();
        let copy = machine.folder.path().join("copy");
        for part in [
            "lab.toml",
            "Cross.toml",
            "README.md",
            "containers",
            "bench-results/inspect",
            "bench-results/matrix",
            "plugins/abi",
        ] {
            copy_all(&root().join(part), &copy.join(part));
        }
        machine.repository = Some(copy);
        machine
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(arguments).stdin(Stdio::null());
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"] {
            command.env_remove(proxy);
        }
        for variable in ["DYNLAB_ENGINE", "DYNLAB_SNAPSHOT_MIRROR", "CARGO_MANIFEST_DIR"] {
            command.env_remove(variable);
        }
        command.env("DYNLAB_CACHE", self.cache()).env("DYNLAB_MIRROR", &self.mirror);
        if let Some(repository) = &self.repository {
            command.env("CARGO_MANIFEST_DIR", repository.join("xtask"));
        }
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn refuses(&self, arguments: &[&str], parts: &[&str]) {
        check(&self.run(arguments), 2, parts);
    }
}

/// The repository that is tested.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy_all(&from.join(&name), &to.join(&name));
    }
}

/// It ended with `code` and one error, on one line, in which all `parts` are.
fn check(output: &Output, code: i32, parts: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("stack backtrace"), "{stderr}");
    for part in parts {
        assert!(last.contains(part), "{part:?} is not in: {last}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    let machine = Machine::new();
    let hosts = ["unknown host \"buster-x86_64-gnu\"", "bullseye-x86_64-gnu", "trixie-aarch64-musl"];
    machine.refuses(&["matrix", "--host", "buster-x86_64-gnu"], &hosts);
    let targets = ["unknown target \"riscv64\"", "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-musl"];
    machine.refuses(&["matrix", "--target", "riscv64"], &targets);
    machine.refuses(&["build", "--target", "riscv64"], &targets);
    machine.refuses(&["repro", "--target", "riscv64"], &targets);
    let images = ["no image is called \"toolchian\"", "toolchain", "emulator", "bookworm-x86_64-gnu"];
    for verb in ["build", "verify", "lock"] {
        machine.refuses(&["images", verb, "toolchian"], &images);
    }
    machine.refuses(&["images", "export", "toolchian", "never.tar"], &images);
    machine.refuses(&["repro", "--part", "images", "--image", "toolchian"], &images);
    machine.refuses(&["exec", "--image", "toolchian", "--", "/bin/true"], &images);
}

#[test]
fn what_cross_needs_is_asked_for_before_anything_is_made() {
    let machine = Machine::new();
    let programs = machine.folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let refuses = |arguments: &[&str], parts: &[&str]| {
        check(&machine.command(arguments).env("PATH", &programs).output().unwrap(), 2, parts);
    };
    let build = ["build", "--via", "cross"];
    let names = ["called \"hello-c\"", "dyn-server", "ip"];
    refuses(&[&build[..], &["--only", "hello-c"]].concat(), &names);
    refuses(&build, &["rustup is not installed", "install rustup"]);
    // It is asked for nothing before docker is missed.
    fs::write(programs.join("rustup"), "").unwrap();
    let docker = ["the command docker is not installed", "cargo xtask with-docker --"];
    refuses(&build, &docker);
    refuses(&["images", "load", "toolchain"], &docker);
    assert!(!machine.cache().exists(), "nothing was fetched");
}

#[test]
fn unknown_options_are_refused_with_the_nearest() {
    let machine = Machine::new();
    let cases: [(&[&str], &str); 5] = [
        (&["matrix", "--hots", "x"], "'--host'"),
        (&["matirx"], "'matrix'"),
        (&["ci", "lnt"], "'lint'"),
        (&["--engine", "lxc", "matrix"], "sandbox, docker, podman"),
        (&["exec", "--image", "toolchain", "--env", "A", "--", "/bin/true"], "NAME=VALUE"),
    ];
    for (arguments, hint) in cases {
        let output = machine.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(hint), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn a_mirror_that_is_no_address_is_refused() {
    let mut machine = Machine::new();
    let parts = ["\"mirror.example\" must start with http:// or https://", "--mirror URL"];
    machine.refuses(&["--mirror", "mirror.example", "images", "list"], &parts);
    machine.refuses(&["--snapshot-mirror", "mirror.example", "images", "list"], &parts);
    machine.mirror = "mirror.example".to_owned();
    machine.refuses(&["images", "build", "emulator"], &parts);
    machine.mirror = String::new();
    assert!(machine.run(&["images", "list"]).status.success(), "an empty variable is one that is not set");
}

#[test]
fn without_network_it_is_told_what_is_cached_and_what_is_not() {
    let machine = Machine::new();
    machine.refuses(
        &["images", "build", "emulator"],
        &[
            "image emulator",
            "0 of 1 packages are cached",
            "not cached: qemu-user-static",
            "check the network",
        ],
    );
    machine.refuses(
        &["matrix", "--host", "bookworm-x86_64-gnu"],
        &["0 of ", "packages are cached", "check the network, or give --mirror URL"],
    );
    assert_eq!(trusted(&machine.cache()), [""; 0]);
}

#[test]
fn a_cache_that_cannot_be_made_is_named_with_the_variable() {
    let machine = Machine::new();
    fs::write(machine.cache(), "a file where a folder should be").unwrap();
    let place = machine.cache().display().to_string();
    for arguments in [["images", "list"].as_slice(), &["matrix", "--host", "trixie-x86_64-gnu"]] {
        machine.refuses(arguments, &[&place, "cannot be made", "set DYNLAB_CACHE"]);
    }
}

#[test]
fn a_definition_that_its_lock_does_not_answer_is_refused() {
    let machine = Machine::with_copy();
    let definition = machine.repository.as_ref().unwrap().join("containers/emulator/image.toml");
    let text = fs::read_to_string(&definition).unwrap();
    let renamed = text.replace("qemu-user-static", "qemu-user-binfmt");
    assert_ne!(renamed, text);
    fs::write(&definition, renamed).unwrap();
    let parts = ["image emulator", "answers another definition", "cargo xtask images lock emulator"];
    machine.refuses(&["images", "build", "emulator"], &parts);
    machine.refuses(&["ci", "generated"], &parts);
}

#[test]
fn a_report_that_somebody_edited_is_stale() {
    let machine = Machine::with_copy();
    let page = machine.repository.as_ref().unwrap().join("bench-results/matrix/README.md");
    let fresh = machine.run(&["ci", "generated"]);
    assert!(fresh.status.success(), "{}", String::from_utf8_lossy(&fresh.stderr));
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&page, text.replacen("| works |", "| fails |", 1)).unwrap();
    let output = machine.run(&["ci", "generated"]);
    check(&output, 1, &["README.md is stale", "| fails |", "run `cargo xtask matrix`"]);
}

#[test]
fn a_report_on_inspections_that_somebody_edited_is_stale() {
    let machine = Machine::with_copy();
    let repository = machine.repository.clone().unwrap();
    let stale = |file: &str, from: &str, to: &str, parts: &[&str]| {
        let path = repository.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        check(&machine.run(&["ci", "generated"]), 1, parts);
        fs::write(&path, text).unwrap();
    };
    let renew = "run `cargo xtask inspect --gallery`";
    let (report, page) = ("bench-results/inspect/inspect.json", "bench-results/inspect/README.md");
    stale(page, "glibc 2.36", "glibc 2.99", &["README.md is stale", "glibc 2.99", renew]);
    stale(report, "\"observed\":\"refused\"", "\"observed\":\"crashed\"", &["README.md is stale", renew]);
    stale(
        report,
        "\"image_digest\":\"sha256:",
        "\"image_digest\":\"sha256:00",
        &["was another image", renew],
    );
    // Whether a cell agrees is told from what is in it.
    let found = ["libpcprofile.so in trixie-x86_64-musl", "\"agree\":false", renew];
    stale(report, "\"agree\":false", "\"agree\":true", &found);
    stale(
        report,
        "\"predicted\":\"loads\"",
        "\"predicted\":\"refused\"",
        &["\"predicted\":\"loads\"", renew],
    );
    stale(
        report,
        "\"code\":\"symbol.undefined\"}",
        "\"code\":\"libc.static-tls\"}",
        &["\"agree\":false", renew],
    );
    let explained = "containers/gallery/explained.toml";
    stale(
        explained,
        "[[explained]]",
        "[[explained]]\nfiles = [\"nobody\"]\nhosts = [\"*\"]\nwhy = \"none\"\n\n[[explained]]",
        &["explains nothing", "nobody"],
    );
    stale(explained, "why = \"", "why = \"Otherwise, ", &["explains otherwise"]);
}

#[test]
fn parts_that_are_no_whole_are_refused() {
    let machine = Machine::with_copy();
    let repository = machine.repository.clone().unwrap();
    let report = repository.join("bench-results/matrix/matrix.json");
    let committed = fs::read_to_string(&report).unwrap();
    let part = |name: &str, text: &str| {
        let file = machine.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let whole = part("whole.json", &committed);
    // In the report they are in the order of lab.toml, and the first is the first.
    let (first, rest) = committed.split_once("\"name\": \"bullseye-x86_64-gnu\"").unwrap();
    let renamed = part("renamed.json", &format!("{first}\"name\": \"buster\"{rest}"));
    let cut = part("cut.json", &committed[..committed.len() / 2]);
    let merged = machine.run(&["matrix", "merge", &whole, "--check"]);
    assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));

    machine.refuses(&["matrix", "merge", &renamed], &["no part has bullseye-x86_64-gnu", "--host"]);
    machine.refuses(&["matrix", "merge", &cut], &["cannot parse", "cut.json"]);
    machine.refuses(&["matrix", "merge", "absent.json"], &["cannot read absent.json"]);
    machine.refuses(&["matrix", "--shard", "17/17"], &["--shard 17/17 is empty", "16 hosts"]);
    let output = machine.run(&["matrix", "--shard", "3/2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("I/N, with I from 1 to N"));
    assert_eq!(fs::read_to_string(&report).unwrap(), committed);
}

#[test]
fn an_interrupted_download_ends_with_130_and_the_next_run_sweeps_up() {
    let mut machine = Machine::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    machine.mirror = format!("http://{}/debian", listener.local_addr().unwrap());
    let xtask = machine.command(&["images", "build", "emulator"]).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("GET /debian/pool/"));
    // More than any buffer on the way holds: when it is sent, part of the file has been received.
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n").unwrap();
    stream.write_all(&vec![0; 20_000_000]).unwrap();
    kill_process(Pid::from_child(&xtask), Signal::INT).unwrap();
    let output = xtask.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("interrupted") && !stderr.contains("error: "), "{stderr}");
    assert_eq!(trusted(&machine.cache()), [""; 0]);

    drop((stream, lines, listener));
    machine.refuses(&["images", "build", "emulator"], &["0 of 1 packages are cached"]);
    let left: Vec<_> = fs::read_dir(machine.cache().join("blobs")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// As when its terminal is closed: whatever it writes there fails.
#[test]
fn an_interrupt_ends_it_where_standard_error_is_gone() {
    let mut machine = Machine::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    machine.mirror = format!("http://{}/debian", listener.local_addr().unwrap());
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut xtask =
            machine.command(&["images", "build", "emulator"]).stderr(Stdio::piped()).spawn().unwrap();
        // It downloads, so it has said what it says before, and never gets an answer.
        let _waiting = listener.accept().unwrap();
        drop(xtask.stderr.take());
        kill_process(Pid::from_child(&xtask), signal).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            match xtask.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                None => break None,
            }
        };
        if status.is_none() {
            xtask.kill().unwrap();
            xtask.wait().unwrap();
        }
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{signal:?}: {status:?}");
    }
}

/// Names in a cache that a later run would believe to be whole.
fn trusted(cache: &Path) -> Vec<String> {
    let folders = ["blobs", "images"].map(|folder| fs::read_dir(cache.join(folder)).unwrap());
    let names = folders.into_iter().flatten().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| !name.starts_with('.')).collect()
}
