//! `cargo xtask release`: the image with nginx, the module, the resolvers, the daemon and the entry point that runs them.
//!
//! It stands on the locked image `ngx-backend-base-ARCH`. On top of that lie what this repository builds and, at the same paths,
//! the files of `containers/ngx-backend/rootfs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build;
use crate::engine;
use crate::flags::ReleaseFlags;
use crate::ground::Ground;
use crate::image::Image;
use crate::images::{self, Addition, Extension, Healthcheck, Nothing, Start};
use crate::lab::Arch;

/// The nginx of the base image's suite.
const NGINX: &str = "1.26";
/// Files that go into the image as they are.
const OWN_FILES: &str = "containers/ngx-backend/rootfs";
/// Where the image has what is built.
const PROGRAMS: &str = "usr/bin";
const RESOLVERS: &str = "usr/lib/ngx-backend";
const MODULES: &str = "usr/lib/nginx/modules";
const LICENCES: &str = "usr/share/doc/ngx-backend";
const STD_LICENCE: &str = "usr/share/doc/libstd-rust-web-dev/copyright";
/// The name under which a container engine finds the image that was loaded last.
const TAG: &str = "dynlab/ngx-backend:latest";
const SECOND: u64 = 1_000_000_000;

/// Makes the images that the flags ask for, and prints a line for each: its tag, its digest, the sum of its files' sizes in bytes,
/// its archive and its root file system.
pub(crate) fn run(flags: &ReleaseFlags, ground: &Ground) -> Result<()> {
    let own = [engine::native()];
    let arches = if flags.arches.is_empty() { own.as_slice() } else { &flags.arches };
    for &arch in arches {
        let image = ensure(ground, arch)?;
        let folder = ground.repository.join("dist").join(arch.debian_target()).join("ngx-backend");
        let archive = folder.join("image.tar");
        images::write_file(&image, &[TAG], &archive)?;
        let (tag, size) = (images::tag(&image), size_of(&image.rootfs)?);
        println!("{tag} {} {size} {} {}", image.digest, archive.display(), image.rootfs.display());
    }
    Ok(())
}

/// The image for that architecture, with everything in it up to date.
fn ensure(ground: &Ground, arch: Arch) -> Result<Image> {
    let module = build::nginx::ensure(ground, NGINX, arch)?;
    let built = build::release::ensure(ground, arch)?;
    let mut files = BTreeMap::new();
    let mut take = |source: &Path, place: String, executable| -> Result<()> {
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        files.insert(place, Addition { content, executable });
        Ok(())
    };
    for program in ["backend", "ngx-backend"] {
        take(&built.join(program), format!("{PROGRAMS}/{program}"), true)?;
    }
    for resolver in ["snapshot.so", "socket.so"] {
        take(&built.join(resolver), format!("{RESOLVERS}/{resolver}"), false)?;
    }
    let name = module.file_name().context("a module has a name")?.to_string_lossy().into_owned();
    take(&module, format!("{MODULES}/{name}"), false)?;
    take(&built.join(build::release::NOTICES), format!("{LICENCES}/{}", build::release::NOTICES), false)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        take(&ground.repository.join(licence), format!("{LICENCES}/{licence}"), false)?;
    }
    // Rust's own library is part of every program.
    let toolchain = ground.image(build::TOOLCHAIN)?;
    take(&toolchain.rootfs.join(STD_LICENCE), STD_LICENCE.to_owned(), false)?;
    for (source, place) in below(&ground.repository.join(OWN_FILES))? {
        take(&source, place, false)?;
    }
    let extension = Extension {
        name: format!("ngx-backend-{arch}"),
        base: format!("ngx-backend-base-{arch}"),
        made_by: "cargo xtask release".to_owned(),
        files,
        start: start(),
    };
    images::extend(&ground.images, &extension)
}

/// How an engine starts it.
fn start() -> Start {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    Start {
        entrypoint: words(&["/usr/bin/ngx-backend"]),
        exposed_ports: [("80/tcp".to_owned(), Nothing {})].into(),
        healthcheck: Healthcheck {
            test: words(&["CMD", "/usr/bin/ngx-backend", "healthz"]),
            interval: 30 * SECOND,
            timeout: 5 * SECOND,
            start_period: 30 * SECOND,
            retries: 3,
        },
        labels: [
            ("org.opencontainers.image.title", "ngx-backend"),
            ("org.opencontainers.image.description", "nginx that learns its upstreams while it runs"),
            ("org.opencontainers.image.licenses", "MIT OR Apache-2.0"),
            ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        stop_signal: "SIGTERM".to_owned(),
        volumes: [("/var/lib/backend".to_owned(), Nothing {})].into(),
    }
}

/// All files in a folder, each with its path below it.
fn below(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(here) = waiting.pop() {
        for entry in fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                let place = entry.path().strip_prefix(folder)?.to_string_lossy().into_owned();
                found.push((entry.path(), place));
            }
        }
    }
    Ok(found)
}

/// The sizes of all regular files, in bytes.
fn size_of(folder: &Path) -> Result<u64> {
    let sizes = below(folder)?.into_iter().map(|(path, _)| {
        let metadata = fs::symlink_metadata(&path)?;
        Ok(if metadata.is_file() { metadata.len() } else { 0 })
    });
    sizes.sum::<std::io::Result<u64>>().with_context(|| format!("cannot measure {}", folder.display()))
}
