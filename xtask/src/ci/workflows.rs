//! The workflows of `.github`, read by the tools of a pinned image, without a network.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::build::Room;
use crate::engine::Mount;
use crate::ground::Ground;

const IMAGE: &str = "workflow-lint";
const SOURCES: &str = "/src";
/// Whose files are all scripts of the shell.
const SCRIPTS: &str = ".github/scripts";

/// zizmor over the workflows, pedantic, then shellcheck over what they and CI start.
pub(super) fn lint(ground: &Ground) -> Result<()> {
    let engine = ground.engine([])?;
    let image = ground.image(IMAGE)?;
    let sources = Mount::read_only(&ground.repository, SOURCES);
    let room = Room { engine: engine.as_ref(), image: &image, mounts: vec![sources], cwd: SOURCES };
    let run = |argv: &[&str]| {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        room.run(&argv, Vec::new(), None)
    };
    run(&[
        "/opt/zizmor/zizmor",
        "--offline",
        "--quiet",
        "--persona=pedantic",
        "--no-progress",
        "--color=never",
        ".github",
    ])?;
    let scripts = scripts(ground)?;
    let mut shellcheck = vec!["/usr/bin/shellcheck", ".ci/run"];
    shellcheck.extend(scripts.iter().map(String::as_str));
    run(&shellcheck)?;
    Ok(())
}

/// Relative to the repository, by name.
fn scripts(ground: &Ground) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(ground.repository.join(SCRIPTS)).with_context(|| format!("cannot list {SCRIPTS}"))?;
    let names = entries.map(|entry| Ok(format!("{SCRIPTS}/{}", entry?.file_name().to_string_lossy())));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    ensure!(!names.is_empty(), "{SCRIPTS} is empty; remove it, and this check of it");
    names.sort();
    Ok(names)
}
