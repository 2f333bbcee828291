//! Runs one test of this binary once more, in a process that was made for it.

use std::process::{Command, Output, Stdio};

/// Set where a test runs as the inner one.
const INNER: &str = "FORKER_TEST_INNER";

/// Whether this is the process that was made for the test: the test then does its work, else it calls [`run`].
pub(crate) fn is_inner() -> bool {
    std::env::var_os(INNER).is_some()
}

/// Runs the test `name` by a shell line, in which `"$@"` is the command.
pub(crate) fn run(name: &str, shell: &str, stdin: impl Into<Stdio>) -> Output {
    Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INNER, "1")
        .stdin(stdin)
        .output()
        .unwrap()
}

/// The process for the test `name`, for one that outlives a call.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(INNER, "1");
    command
}

/// As [`run`], and the test has to succeed.
pub(crate) fn succeed(name: &str, shell: &str, stdin: impl Into<Stdio>) {
    let output = run(name, shell, stdin);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
}
