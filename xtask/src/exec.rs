//! `cargo xtask exec`: one program inside an image, by hand.

use std::io::Write;
use std::path::Path;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};

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

/// An image by its folder. If that is one of the cache's, its digest is in its path, and docker can be asked for it.
fn unpacked(rootfs: &Path, arch: Arch) -> Image {
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
