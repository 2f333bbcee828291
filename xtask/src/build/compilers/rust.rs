//! What a compiler of Rust makes: plugins, from what an author outside this workspace has, and the probe, from the workspace itself.

use std::collections::BTreeMap;

use anyhow::Result;
use cargo_metadata::Package;

use super::{Bench, Contents, Job, PROBE, key};
use crate::build::export::{closure, export};
use crate::build::{compile_rust, inside, members, read};
use crate::engine::Mount;
use crate::lab::{Compiled, Panic, Profile};

/// The folder of the exported sources, and that of cargo's state for plugins.
const EXPORTED: &str = "src";
const PLUGINS: &str = "plugins";
/// The folder of cargo's state for the probe.
const OF_PROBE: &str = "probe";

/// What is left out of plugins: the debug information of std alone makes ten megabytes of each.
pub(super) const STRIP: &str = "debuginfo";

/// Builds `jobs`.
pub(super) fn build(bench: &Bench<'_>, jobs: &[&Job<'_>], on_built: &(dyn Fn() + Sync)) -> Result<Contents> {
    let mut contents = Contents::new();
    let plugins: Vec<(&Job<'_>, Compiled<'_>)> =
        jobs.iter().filter_map(|job| Some((*job, job.plugin?))).collect();
    if !plugins.is_empty() {
        export_all(bench, &plugins)?;
    }
    let mut alike: BTreeMap<Flags, Vec<(&Job<'_>, &str)>> = BTreeMap::new();
    for (job, plugin) in &plugins {
        let flags = Flags { target: job.target.triple.clone(), ..Flags::of(plugin) };
        alike.entry(flags).or_default().push((job, plugin.package()?));
    }
    for (flags, jobs) in alike {
        flags.build(bench, &jobs)?;
        for (job, package) in jobs {
            contents.insert(key(job), flags.product(bench, package)?);
            on_built();
        }
    }
    for job in jobs.iter().filter(|job| job.plugin.is_none()) {
        contents.insert(key(job), build_probe(bench, job)?);
        on_built();
    }
    Ok(contents)
}

/// Writes the crates of all `plugins` into a workspace of their own, which this compiler alone locks: an older one cannot read the lock of
/// a newer.
fn export_all(bench: &Bench<'_>, plugins: &[(&Job<'_>, Compiled<'_>)]) -> Result<()> {
    let repository = &bench.workshop.ground.repository;
    let metadata = members(repository)?;
    let mut crates: Vec<&Package> = Vec::new();
    for (_, plugin) in plugins {
        for one in closure(plugin.package()?, &metadata)? {
            if !crates.iter().any(|known| known.name == one.name) {
                crates.push(one);
            }
        }
    }
    export(&crates, repository, &bench.folder.join(EXPORTED))
}

/// What plugins that one cargo command builds have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flags {
    target: String,
    /// As cargo's folders call it.
    profile: &'static str,
    panic: &'static str,
}

impl Flags {
    /// Those of `plugin`, for no target yet.
    fn of(plugin: &Compiled<'_>) -> Flags {
        let profile = match plugin.profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        };
        let panic = match plugin.panic {
            Some(Panic::Abort) => "abort",
            Some(Panic::Unwind) | None => "unwind",
        };
        Flags { target: String::new(), profile, panic }
    }

    fn build(&self, bench: &Bench<'_>, jobs: &[(&Job<'_>, &str)]) -> Result<()> {
        let mut argv = ["/usr/bin/cargo", "build", "--offline"].map(str::to_owned).to_vec();
        argv.extend(
            ["--config", "/opt/dynlab/cargo-config.toml", "--target", &self.target].map(str::to_owned),
        );
        // Both strategies are built to the same path below the folder of cargo's state.
        let mut env = compile_rust::cargo_environment(self.panic);
        let profile = if self.profile == "release" {
            argv.push("--release".to_owned());
            "RELEASE"
        } else {
            "DEV"
        };
        env.push((format!("CARGO_PROFILE_{profile}_PANIC"), self.panic.to_owned()));
        env.push((format!("CARGO_PROFILE_{profile}_STRIP"), STRIP.to_owned()));
        for (job, package) in jobs {
            argv.extend(["--package".to_owned(), (*package).to_owned()]);
            env.push((format!("DYNLAB_SOURCE_DIGEST_{package}"), job.source_digest.clone()));
        }
        // Writable, because cargo puts its lock file there.
        let sources = Mount::writable(bench.folder.join(EXPORTED), inside::SOURCES);
        bench.room(sources, PLUGINS)?.run(&argv, env, None)?;
        Ok(())
    }

    fn product(&self, bench: &Bench<'_>, package: &str) -> Result<Vec<u8>> {
        let folder = bench.folder.join(PLUGINS).join(self.panic).join(&self.target).join(self.profile);
        read(&folder.join(format!("lib{}.so", package.replace('-', "_"))))
    }
}

fn build_probe(bench: &Bench<'_>, job: &Job<'_>) -> Result<Vec<u8>> {
    let triple = &job.target.triple;
    let mut argv = ["/usr/bin/cargo", "build"].map(str::to_owned).to_vec();
    argv.extend(compile_rust::release_options(triple));
    argv.extend(["--package", PROBE.0, "--bin", PROBE.1].map(str::to_owned));
    let mut room = bench.room(bench.repository(), OF_PROBE)?;
    room.mounts.push(Mount::read_only(bench.crates, inside::CRATES));
    room.run(&argv, compile_rust::cargo_environment("."), None)?;
    read(&bench.folder.join(OF_PROBE).join(triple).join("release").join(PROBE.1))
}
