//! `cargo xtask exec`: one program inside an image, by hand.

use std::io::Write;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Signal, getpid, kill_process};

use crate::engine::{self, Exit, Job};
use crate::flags::ExecFlags;
use crate::ground::Ground;
use crate::image::Image;
use crate::lab::Arch;

/// The exit code of timeout(1) for a program that was stopped.
const EXIT_DEADLINE: i32 = 124;

/// Runs the program, passes its output on, and ends as it ended.
pub(crate) fn run(ground: &Ground, flags: &ExecFlags) -> Result<()> {
    let (image, engine) = match &flags.rootfs {
        Some(rootfs) => {
            (unpacked(rootfs, flags.arch), engine::select(ground.choice, flags.emulator.as_deref())?)
        }
        None => {
            let image =
                ground.image(flags.image.as_deref().context("either --image or --rootfs is needed")?)?;
            let engine = ground.engine([image.arch])?;
            (image, engine)
        }
    };
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
    if flags.until_stdin_ends {
        thread::spawn(end_with_stdin);
    }
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

/// Reads stdin to its end, then has this process stop its work and end as after a SIGTERM.
fn end_with_stdin() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _ = kill_process(getpid(), Signal::TERM);
}

/// An image by its folder. If that is one of the cache's, its digest is in its path, and docker can be asked for it.
pub(crate) fn unpacked(rootfs: &Path, arch: Arch) -> Image {
    let folder = rootfs.parent().and_then(Path::file_name).unwrap_or_default();
    Image {
        // Container engines make a tag of it, in which a path has no place.
        name: "unpacked".to_owned(),
        arch,
        libc: None,
        digest: format!("sha256:{}", folder.display()),
        rootfs: rootfs.to_owned(),
        pinned: false,
    }
}
