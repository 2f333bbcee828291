//! The fuzz targets of what reads strangers' files: that they compile, and find nothing where a real run would begin.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::skip::{Skippable, skip};
use crate::ground::Ground;
use crate::process;

/// The targets' own workspace.
const FOLDER: &str = "plugins/compat/fuzz";

/// Each target, with how many inputs of its own making it tries: seconds of work. All inputs that are kept are tried besides.
const TARGETS: &[(&str, u32)] = &[("judge", 2_000), ("root", 1_000), ("listing", 20_000)];

/// Runs each target, from the same random numbers each time, in a debug build, where wrong numbers are seen.
pub(super) fn check(required: &[Skippable], ground: &Ground) -> Result<()> {
    if !super::has_cxx() {
        let reason = "no `c++` here, which libFuzzer is written in; install g++";
        return skip(Skippable::Fuzz, reason, required);
    }
    let folder = ground.repository.join(FOLDER);
    let output = ground.repository.join("target/fuzz");
    for &(target, runs) in TARGETS {
        // libFuzzer writes what is new to it into the first folder, so that must not be one that is committed.
        let found = output.join("found").join(target);
        fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        let mut command = super::cargo(&folder);
        command.args(["run", "--quiet", "--locked", "--bin", target, "--target-dir"]).arg(&output);
        command.args(["--", "-seed=1", "-timeout=60", "-max_len=8192", "-verbosity=0"]);
        command
            .arg(format!("-runs={runs}"))
            .arg(format!("-artifact_prefix={}/", output.display()))
            .arg(found);
        command.args(kept(&folder, target));
        process::run_shown(&mut command)
            .with_context(|| format!("fuzz target {target}; the input is in {}", output.display()))?;
    }
    Ok(())
}

/// The folder of inputs that are kept for `target`, if there are any.
fn kept(folder: &Path, target: &str) -> Option<String> {
    let corpus = format!("corpus/{target}");
    folder.join(&corpus).is_dir().then_some(corpus)
}
