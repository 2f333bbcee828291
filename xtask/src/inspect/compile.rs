//! Small C files, compiled in the toolchain image and kept under the digest of all that they are made of.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::atomic;
use crate::build::{self, Room, inside, sha256};
use crate::engine::Mount;
use crate::ground::Ground;

/// What is compiled.
pub(super) struct Recipe<'a> {
    /// The name of the file that comes out.
    pub(super) name: &'a str,
    /// The target triple.
    pub(super) target: &'a str,
    /// The text of the one source.
    pub(super) source: &'a str,
    /// What the compiler is told beside that.
    pub(super) arguments: &'a [&'a str],
}

/// The compiled file.
///
/// # Errors
/// The compiler's words, or why it cannot be run here.
pub(super) fn ensure(recipe: &Recipe<'_>, ground: &Ground) -> Result<PathBuf> {
    let &Recipe { name, target, source, arguments } = recipe;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    let inputs = sha256(format!("{}\n{source}\n{arguments:?}", toolchain.digest).as_bytes());
    let folder = ground.repository.join("target/lab/inspect").join(target).join(&inputs[..16]);
    let file = folder.join(name);
    if file.is_file() {
        return Ok(file);
    }
    let work = tempfile::tempdir().context("cannot make a temporary folder")?;
    fs::write(work.path().join("source.c"), source).context("cannot write the source")?;
    let mounts = vec![Mount::writable(work.path(), inside::BUILD)];
    let engine = ground.engine([])?;
    let room = Room { engine: engine.as_ref(), image: &toolchain, mounts, cwd: inside::BUILD };
    let mut argv = vec![format!("/opt/dynlab/bin/{target}-cc")];
    argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    argv.extend(["source.c", "-o", name].map(str::to_owned));
    room.run(&argv, Vec::new(), None).with_context(|| format!("compiling {name} for {target}"))?;
    let content = fs::read(work.path().join(name)).context("the compiler wrote nothing")?;
    atomic::write_with_mode(&file, &content, 0o755)?;
    Ok(file)
}
