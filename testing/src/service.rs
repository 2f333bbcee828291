//! A program in a pinned image that runs beside a test.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running program. Killed when dropped, and also when the test's process ends in whatever way.
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: PathBuf,
}

/// Why a service cannot run on this machine; a test says `skipped` and this.
#[derive(Debug, Clone)]
pub struct Missing(pub String);

/// The xtask to run, set by `cargo xtask test`; without it, cargo builds one.
const XTASK: &str = "DYNLAB_XTASK";
/// Set by `cargo xtask test` where it has found services able to run: then one that does not is a failure.
const REQUIRED: &str = "DYNLAB_SERVICES_REQUIRED";
/// The exit codes with which xtask says that something is missing here.
const LACKING: [i32; 2] = [2, 3];
/// How long a start may take; the first one fetches the image.
const PATIENCE: Duration = Duration::from_secs(180);
/// The engine kills the program after this in any case.
const LONGEST_RUN: &str = "3600";

impl Service {
    /// Starts `argv` in the image called `image`; it sees `folder` as `mounted`, may write there, and logs to the file `log` in it. Returns once
    /// `is_ready` says so.
    ///
    /// # Errors
    /// [`Missing`] if this machine cannot run it, as one without user namespaces.
    ///
    /// # Panics
    /// If the program ends, or is not ready in time.
    pub fn start(
        image: &str,
        folder: &Path,
        mounted: &str,
        argv: &[OsString],
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<Service, Missing> {
        let log = folder.join("log");
        let output = File::create(&log).expect("the folder of a service can be written");
        let mut command = exec(image, folder, mounted, argv);
        command
            // Kept open by this process alone: its end is the end of the service.
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut service = Service { child, log };
        let deadline = Instant::now() + PATIENCE;
        while !is_ready() {
            if let Some(status) = service.child.try_wait().expect("a child can be waited for") {
                let output = service.output();
                let required = env::var_os(REQUIRED).is_some();
                if !required && status.code().is_some_and(|code| LACKING.contains(&code)) {
                    return Err(Missing(format!("image {image} cannot run here: {}", output.trim())));
                }
                panic!("{command:?} ended with {status}:\n{output}");
            }
            assert!(Instant::now() < deadline, "{command:?} is not ready:\n{}", service.output());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(service)
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, with the same folder, and gives what it printed.
pub(crate) fn run(image: &str, folder: &Path, mounted: &str, argv: &[OsString]) -> String {
    let mut command = exec(image, folder, mounted, argv);
    // Held open until it has ended.
    let (_end, stdin) = std::io::pipe().map(|(reader, writer)| (writer, reader)).expect("a pipe");
    let output =
        command.stdin(stdin).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn exec(image: &str, folder: &Path, mounted: &str, argv: &[OsString]) -> Command {
    let mut mount = folder.as_os_str().to_owned();
    mount.push(format!(":{mounted}:rw"));
    let mut command = xtask();
    command
        .args(["exec", "--image", image, "--until-stdin-ends", "--deadline", LONGEST_RUN, "--mount"])
        .arg(mount)
        .arg("--")
        .args(argv);
    command
}

fn xtask() -> Command {
    if let Some(xtask) = env::var_os(XTASK) {
        return Command::new(xtask);
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "xtask",
        "--",
    ]);
    cargo
}
