//! `cargo xtask exec`: one program inside an image, by hand.

use std::io::Write;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::engine::{self, EngineChoice, Exit, Job};
use crate::flags::ExecFlags;
use crate::image::Image;

/// The exit code of timeout(1) for a program that was stopped.
const EXIT_DEADLINE: i32 = 124;

/// Runs the program, passes its output on, and ends as it ended.
pub(crate) fn run(choice: EngineChoice, flags: &ExecFlags) -> Result<()> {
    let image = Image {
        name: flags.rootfs.display().to_string(),
        arch: flags.arch,
        libc: None,
        digest: String::new(),
        rootfs: flags.rootfs.clone(),
        pinned: false,
    };
    let engine = engine::select(choice, flags.emulator.as_deref())?;
    let deadline =
        Duration::try_from_secs_f64(flags.deadline).context("--deadline takes a number of seconds")?;
    // Whoever closed our stdout does not want the rest.
    let print = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
    let job = Job {
        env: flags.env.clone(),
        cwd: flags.cwd.clone(),
        mounts: flags.mounts.clone(),
        deadline,
        on_stdout_line: Some(&print),
        ..Job::new(&image, flags.argv.iter())
    };
    let finished = engine.run(&job)?;
    let _ = std::io::stderr().write_all(&finished.stderr);
    match finished.exit {
        Exit::Code(0) => Ok(()),
        Exit::Code(code) => process::exit(code),
        Exit::Signal(signal) => {
            eprintln!("the program was killed by signal {signal}");
            process::exit(128 + signal)
        }
        Exit::DeadlinePassed => {
            eprintln!("the program was still running after {} s and was killed", flags.deadline);
            process::exit(EXIT_DEADLINE)
        }
    }
}
