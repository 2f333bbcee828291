//! A program in a pinned image that runs beside a test.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

#[cfg(feature = "docker")]
use crate::container::Container;

/// A running program. Killed when dropped, and also when the test's process ends in whatever way, unless testcontainers
/// runs it: that leaves its container behind when the process is killed.
#[derive(Debug)]
pub struct Service(Runner);

#[derive(Debug)]
enum Runner {
    /// `cargo xtask exec`, and what it has printed.
    Xtask { child: Child, log: std::path::PathBuf },
    #[cfg(feature = "docker")]
    Docker(Box<Container>),
}

/// A program that has ended though nobody wanted it to.
struct Ended {
    how: String,
    /// Whether that is because this machine lacks something.
    lacking: bool,
}

/// Why a service cannot run on this machine; a test says `skipped` and this.
#[derive(Debug, Clone)]
pub struct Missing(pub String);

/// The xtask to run, set by `cargo xtask test`, or by hand; without it, cargo builds one.
const XTASK: &str = "DYNLAB_XTASK";
/// Whether a service that does not run is a failure (`1`), or its tests are skipped (`0`). `cargo xtask test` says what it has found this machine
/// able to do. Where nothing is said, services have to run if somebody has named the xtask for it: one too old to understand what it is asked ends
/// with the same code as one whose machine lacks something.
const REQUIRED: &str = "DYNLAB_SERVICES_REQUIRED";
/// The exit codes with which xtask says that something is missing here.
const LACKING: [i32; 2] = [2, 3];
/// How long a start may take; the first one fetches the image.
const PATIENCE: Duration = Duration::from_secs(180);
/// The engine kills the program after this in any case.
const LONGEST_RUN: &str = "3600";

impl Service {
    /// Starts `argv` in the image called `image`; it sees `folder` as `mounted` and may write there. Returns once `is_ready` says so.
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
        argv: &[String],
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<Service, Missing> {
        let mut runner = Runner::start(image, folder, mounted, argv);
        let deadline = Instant::now() + PATIENCE;
        while !is_ready() {
            if let Some(Ended { how, lacking }) = runner.ended() {
                if lacking {
                    return Err(missing(format!(
                        "image {image} cannot run here: {}",
                        runner.output().trim()
                    )));
                }
                panic!("{argv:?} in image {image} ended with {how}:\n{}", runner.output());
            }
            assert!(Instant::now() < deadline, "{argv:?} is not ready:\n{}", runner.output());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(Service(runner))
    }

    /// What it has printed.
    pub fn output(&self) -> String {
        self.0.output()
    }
}

impl Runner {
    fn start(image: &str, folder: &Path, mounted: &str, argv: &[String]) -> Runner {
        #[cfg(feature = "docker")]
        if crate::container::engine_answers() {
            return Runner::Docker(Box::new(Container::start(image, folder, mounted, argv)));
        }
        let log = folder.join("log");
        let output = File::create(&log).expect("the folder of a service can be written");
        let mut command = exec(image, folder, mounted, argv);
        command
            // Kept open by this process alone: its end is the end of the service.
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Runner::Xtask { child, log }
    }

    fn ended(&mut self) -> Option<Ended> {
        match self {
            Runner::Xtask { child, .. } => {
                let status = child.try_wait().expect("a child can be waited for")?;
                let lacking = status.code().is_some_and(|code| LACKING.contains(&code));
                Some(Ended { how: status.to_string(), lacking })
            }
            #[cfg(feature = "docker")]
            Runner::Docker(container) => container.ended().map(|how| Ended { how, lacking: false }),
        }
    }

    fn output(&self) -> String {
        match self {
            Runner::Xtask { log, .. } => {
                fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
            }
            #[cfg(feature = "docker")]
            Runner::Docker(container) => container.output(),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        match self {
            Runner::Xtask { child, .. } => {
                drop(child.stdin.take());
                let _ = child.wait();
            }
            // Removed when it is dropped itself.
            #[cfg(feature = "docker")]
            Runner::Docker(_) => {}
        }
    }
}

/// Runs a program to its end, with the same folder, and gives what it printed.
pub(crate) fn run(image: &str, folder: &Path, mounted: &str, argv: &[String]) -> String {
    let mut command = exec(image, folder, mounted, argv);
    // Held open until it has ended.
    let (_end, stdin) = std::io::pipe().map(|(reader, writer)| (writer, reader)).expect("a pipe");
    let output =
        command.stdin(stdin).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `argv` in the image called `image` to its end; it sees `folder` as `mounted` and may write there.
///
/// # Errors
/// [`Missing`] if this machine cannot run it, as one without user namespaces.
///
/// # Panics
/// If it cannot be run where services have to.
pub fn run_to_end(image: &str, folder: &Path, mounted: &str, argv: &[String]) -> Result<Output, Missing> {
    let mut command = exec(image, folder, mounted, argv);
    // Held open until it has ended.
    let (_end, stdin) = std::io::pipe().map(|(reader, writer)| (writer, reader)).expect("a pipe");
    let output =
        command.stdin(stdin).output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let is_missing =
        output.stdout.is_empty() && output.status.code().is_some_and(|code| LACKING.contains(&code));
    if is_missing && String::from_utf8_lossy(&output.stderr).starts_with("error: ") {
        return Err(said(&command, &output));
    }
    Ok(output)
}

/// Runs `cargo xtask` with `argv`, and gives what it printed.
///
/// # Errors
/// [`Missing`] if this machine lacks what it needs.
///
/// # Panics
/// If it fails for another reason, or where services have to run.
pub fn ask_xtask(argv: &[&str]) -> Result<String, Missing> {
    let mut command = xtask();
    command.args(argv);
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(code) if LACKING.contains(&code) => Err(said(&command, &output)),
        _ => panic!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// What a command says that cannot be run here.
fn said(command: &Command, output: &Output) -> Missing {
    missing(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// For a test that may be skipped for this reason.
///
/// # Panics
/// If it may not.
fn missing(reason: String) -> Missing {
    let required = env::var_os(REQUIRED);
    let named = named_xtask();
    if is_required(required.as_deref(), named.is_some()) {
        let cure = named.filter(|_| required.is_none()).map_or_else(String::new, |xtask| {
            format!(
                "\n{XTASK} names {}: build it anew (cargo build -p xtask) if it is old, unset the variable to have cargo do so, \
                 or set {REQUIRED}=0 to skip such tests",
                xtask.display()
            )
        });
        panic!("{reason}{cure}");
    }
    Missing(reason)
}

/// What [`REQUIRED`] says, or that an xtask is named.
fn is_required(required: Option<&OsStr>, is_named: bool) -> bool {
    required.map_or(is_named, |required| required != "0")
}

fn exec(image: &str, folder: &Path, mounted: &str, argv: &[String]) -> Command {
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

/// The xtask to run: that of the run of tests, or one that cargo builds.
///
/// # Panics
/// If one is named that is not there.
pub fn xtask() -> Command {
    if let Some(xtask) = named_xtask() {
        assert!(
            Path::new(&xtask).is_file(),
            "{XTASK} names {}, which is no file; build it (cargo build -p xtask), or unset the variable to have cargo do so",
            xtask.display()
        );
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

fn named_xtask() -> Option<OsString> {
    env::var_os(XTASK).filter(|xtask| !xtask.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_names_an_xtask_wants_services_unless_he_says_otherwise() {
        for (required, is_named, expected) in [
            (None, false, false),
            (None, true, true),
            (Some("1"), false, true),
            (Some("1"), true, true),
            (Some("0"), false, false),
            (Some("0"), true, false),
        ] {
            assert_eq!(is_required(required.map(OsStr::new), is_named), expected, "{required:?} {is_named}");
        }
    }
}
