//! Child processes whose failure is reported whole: command line, folder, exit status and the end of their output.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::engine;

/// Lines of a failed child's output that are shown.
const SHOWN_LINES: usize = 30;

/// Runs `command` to its end and returns what it printed on stdout.
///
/// # Errors
/// It cannot be started, or ends with anything but 0.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    let child = start(command)?;
    let _guard = engine::kill_on_interrupt(&child);
    finish(command, child.wait_with_output())
}

/// The same in a process group of its own: what the command has started is killed with it at an interrupt, and after `deadline`.
///
/// # Errors
/// Those of [`run`]; it was killed because it still ran then.
pub(crate) fn run_group(command: &mut Command, deadline: Duration) -> Result<Vec<u8>> {
    let child = start(command.process_group(0))?;
    let _guard = engine::kill_group_on_interrupt(&child);
    let (output, is_late) = wait_for_group(child, deadline);
    if is_late {
        let seconds = deadline.as_secs_f64();
        bail!(
            "`{}` was still running after {seconds} s, and was killed with all that it had started",
            line(command)
        );
    }
    finish(command, output)
}

fn start(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))
}

/// Waits until the group that `child` leads has closed its output, which it has to do before `deadline`; whether it did not.
fn wait_for_group(child: Child, deadline: Duration) -> (io::Result<Output>, bool) {
    let group = Pid::from_child(&child);
    let (ended, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let is_late = end.recv_timeout(deadline) == Err(RecvTimeoutError::Timeout);
            if is_late {
                let _ = kill_process_group(group, Signal::KILL);
            }
            is_late
        });
        let output = child.wait_with_output();
        drop(ended);
        (output, watch.join().unwrap_or(false))
    })
}

fn finish(command: &Command, output: io::Result<Output>) -> Result<Vec<u8>> {
    let output = output.with_context(|| format!("cannot wait for `{}`", line(command)))?;
    if !output.status.success() {
        bail!("{}", describe(command, output.status, &output.stdout, &output.stderr));
    }
    Ok(output.stdout)
}

/// Runs `command` with this terminal, for checks whose output the user reads as it comes.
pub(crate) fn run_shown(command: &mut Command) -> Result<()> {
    let mut child =
        command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{}`", line(command)))?;
    let _guard = engine::kill_on_interrupt(&child);
    let status = child.wait().with_context(|| format!("cannot wait for `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn describe(command: &Command, status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> String {
    let folder = command.get_current_dir().map_or_else(|| ".".into(), |folder| folder.display().to_string());
    format!("`{}` in {folder} ended with {status}:\n{}", line(command), tail(stdout, stderr))
}

/// The last lines that a child printed, stderr if it has any, else stdout.
pub(crate) fn tail(stdout: &[u8], stderr: &[u8]) -> String {
    let shown = if stderr.trim_ascii().is_empty() { stdout } else { stderr };
    let text = String::from_utf8_lossy(shown);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_command_folder_status_and_output() {
        let error = run(Command::new("ls").arg("/nowhere/at/all").current_dir("/")).unwrap_err().to_string();
        assert!(error.contains("`ls /nowhere/at/all` in / ended with exit status: 2"), "{error}");
        assert!(error.contains("No such file"), "{error}");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start `no-such-program-here`"));
    }

    #[test]
    fn a_group_that_hangs_is_killed_with_all_that_holds_its_output() {
        let mut hanging = Command::new("sh");
        hanging.args(["-c", "sleep 600 & exec sleep 600"]);
        let error = run_group(&mut hanging, Duration::from_millis(50)).unwrap_err().to_string();
        assert!(error.contains("was still running after 0.05 s"), "{error}");
        let mut quick = Command::new("sh");
        let printed = run_group(quick.args(["-c", "echo done"]), Duration::from_secs(600)).unwrap();
        assert_eq!(printed, b"done\n");
        let error = run_group(Command::new("sh").args(["-c", "exit 3"]), Duration::from_secs(600));
        assert!(error.unwrap_err().to_string().contains("ended with exit status: 3"));
    }

    #[test]
    fn only_the_end_of_long_output_is_shown() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        let shown = tail(b"", text.as_bytes());
        assert!(shown.starts_with("70\n") && shown.ends_with("99"), "{shown}");
    }
}
