//! Child processes whose failure is reported whole: command line, folder, exit status and the end of their output.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, bail};

use crate::engine;

/// Lines of a failed child's output that are shown.
const SHOWN_LINES: usize = 30;

/// Runs `command` to its end and returns what it printed on stdout.
///
/// # Errors
/// It cannot be started, or ends with anything but 0.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>> {
    run_guarded(command, engine::kill_on_interrupt)
}

/// The same in a process group of its own: what the command has started is killed with it at an interrupt.
pub(crate) fn run_group(command: &mut Command) -> Result<Vec<u8>> {
    run_guarded(command.process_group(0), engine::kill_group_on_interrupt)
}

fn run_guarded(command: &mut Command, guard: impl FnOnce(&Child) -> engine::Guard) -> Result<Vec<u8>> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let _guard = guard(&child);
    let output: Output =
        child.wait_with_output().with_context(|| format!("cannot wait for `{}`", line(command)))?;
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
    fn only_the_end_of_long_output_is_shown() {
        let text: String = (0..100).map(|line| format!("{line}\n")).collect();
        let shown = tail(b"", text.as_bytes());
        assert!(shown.starts_with("70\n") && shown.ends_with("99"), "{shown}");
    }
}
