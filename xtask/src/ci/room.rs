//! Images in which cargo runs without a network, over sources that are not always this workspace's.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::build::{self, Room, inside};
use crate::engine::{Engine, Mount};
use crate::ground::Ground;
use crate::image::Image;

/// `image` with `sources`, the locked crates, and `output` for what is made of them, which is made if it is not there.
pub(super) fn with_crates<'a>(
    engine: &'a dyn Engine,
    image: &'a Image,
    sources: PathBuf,
    output: PathBuf,
    ground: &Ground,
) -> Result<Room<'a>> {
    std::fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    // Sources of our own are never written to; copies of them may be, as cargo renews their lock file.
    let writable = sources != ground.repository;
    let mounts = vec![
        Mount { source: sources, target: inside::SOURCES.to_owned(), writable },
        Mount::read_only(build::vendored(&ground.repository, &ground.cache)?, inside::CRATES),
        Mount::writable(output, inside::BUILD),
    ];
    Ok(Room { engine, image, mounts, cwd: inside::SOURCES })
}

/// A cargo command that takes its crates from there.
pub(super) fn cargo(words: &[&str]) -> Vec<String> {
    let mut argv = vec!["/usr/bin/cargo".to_owned()];
    argv.extend(words.iter().map(|&word| word.to_owned()));
    // Options of cargo itself stand before those of the tool that it starts.
    let at = argv.iter().position(|word| word == "--").unwrap_or(argv.len());
    argv.splice(at..at, build::vendored_config());
    argv
}
