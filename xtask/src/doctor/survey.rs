//! Looking at this machine. Nothing is changed and nothing but the mirror's table of contents is fetched.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::stat;
use rustix::process::geteuid;

use super::check::{Check, State};
use crate::build::{Manifest, compilers};
use crate::engine::{self, Engine, EngineChoice, emulation};
use crate::ground::Ground;
use crate::images;
use crate::lab::{Arch, Lab, Target};
use crate::paths;
use crate::process;

const GIB: u64 = 1 << 30;
/// What a matrix takes of a cache that is empty (images 4 GB, downloads and crates 1 GB each), and of a clone that is new (xtask, four targets and what
/// other compilers make), with room to grow. All of CI takes more: CONTRIBUTING.md.
const CACHE_NEEDS: u64 = 6 * GIB;
const REPOSITORY_NEEDS: u64 = 6 * GIB;
/// What has to be free of each when everything was made before.
const REST_NEEDS: u64 = GIB;

/// Every finding, in the order in which it would stop a run.
pub(super) fn survey(ground: &Ground) -> Vec<Check> {
    let unready = images::unready(&ground.images);
    let complete = unready.as_ref().is_ok_and(Vec::is_empty);
    let mut checks = vec![compiler()];
    checks.extend(
        [EngineChoice::Sandbox, EngineChoice::Docker, EngineChoice::Podman]
            .map(|choice| engine_of(ground, choice)),
    );
    checks.push(aarch64(ground));
    checks.push(disk(ground, complete));
    checks.push(images_made(unready));
    checks.push(mirror(ground, complete));
    checks.push(pip(complete));
    checks
}

/// Whether a sandbox can have an emulator of its own. Any executable file can be registered to try it, so nothing has to
/// be fetched for the answer.
pub(super) fn sandbox_emulates() -> bool {
    std::env::current_exe().is_ok_and(|file| engine::Sandbox::new(Some(&file)).check(Arch::Aarch64).is_ok())
}

fn compiler() -> Check {
    // cargo tells what it starts which cargo and compiler are meant.
    let named =
        |variable: &str, otherwise: &str| std::env::var(variable).unwrap_or_else(|_| otherwise.into());
    let programs = [named("CARGO", "cargo"), named("RUSTC", "rustc")];
    let versions: Vec<_> = programs.iter().filter_map(|program| version(program)).collect();
    match &versions[..] {
        [cargo, rustc] => Check::ok("rust", format!("{cargo}, {rustc}")),
        _ => {
            Check::missing("rust", "cargo or rustc does not start", "install them, as with https://rustup.rs")
        }
    }
}

/// The first line of `program --version`, up to the bracket that holds a commit.
fn version(program: &str) -> Option<String> {
    let output = process::run(Command::new(program).arg("--version")).ok()?;
    let text = String::from_utf8_lossy(&output).into_owned();
    Some(text.lines().next()?.split('(').next()?.trim().to_owned())
}

fn engine_of(ground: &Ground, choice: EngineChoice) -> Check {
    let (name, detail) = match choice {
        EngineChoice::Sandbox if geteuid().is_root() => ("sandbox", "user namespaces, as root"),
        EngineChoice::Sandbox => ("sandbox", "user namespaces, as an ordinary user"),
        EngineChoice::Docker => ("docker", "its engine answers"),
        EngineChoice::Podman => ("podman", "it works"),
    };
    let otherwise = if choice == ground.choice { State::Missing } else { State::Unneeded };
    let found = match engine::select(choice, None) {
        Ok(engine) => engine.check(engine::native()),
        Err(error) => {
            return Check { state: otherwise, ..Check::missing(name, format!("{error:#}"), "see above") };
        }
    };
    Check::available(name, detail, found, otherwise)
}

fn aarch64(ground: &Ground) -> Check {
    let name = "aarch64";
    if engine::is_native(Arch::Aarch64) {
        return Check::ok(name, "this machine's own");
    }
    if ground.choice == EngineChoice::Sandbox && sandbox_emulates() {
        return Check::ok(name, "the pinned qemu, known to each sandbox alone (binfmt_misc)");
    }
    match emulation::machine_wide() {
        Ok(()) => Check::ok(name, "an emulator of the whole machine (binfmt_misc)"),
        Err(reason) => Check {
            state: State::Partial,
            ..Check::missing(
                name,
                reason,
                format!("as root: `cargo xtask doctor --fix{}`", chosen(ground.choice)),
            )
        },
    }
}

fn chosen(choice: EngineChoice) -> &'static str {
    match choice {
        EngineChoice::Sandbox => "",
        EngineChoice::Docker => " --engine docker",
        EngineChoice::Podman => " --engine podman",
    }
}

fn disk(ground: &Ground, complete: bool) -> Check {
    let name = "disk";
    let cache = existing(&ground.cache);
    let repository = existing(&ground.repository);
    let for_cache = if complete { REST_NEEDS } else { CACHE_NEEDS };
    let for_repository = if is_built(&ground.repository) { REST_NEEDS } else { REPOSITORY_NEEDS };
    let (here, there) = (ground.cache.display().to_string(), ground.repository.display().to_string());
    let both = format!("{here} and {there}");
    let mut needs = vec![(&cache, for_cache, here), (&repository, for_repository, there)];
    if let (Ok(first), Ok(second)) = (stat(&cache), stat(&repository))
        && first.st_dev == second.st_dev
    {
        needs = vec![(&cache, for_cache + for_repository, both)];
    }
    let mut shown = Vec::new();
    for (folder, needed, meant) in needs {
        let free = match paths::free_bytes(folder) {
            Ok(free) => free,
            Err(error) => {
                return Check::missing(
                    name,
                    format!("cannot see {}: {error}", folder.display()),
                    "make it readable",
                );
            }
        };
        let facts = format!("{} GiB free of {} GiB needed for {}", free / GIB, needed / GIB, meant);
        if free < needed {
            let cure = "free some, or set DYNLAB_CACHE to a folder on a larger disk";
            return Check::missing(name, facts, cure);
        }
        shown.push(facts);
    }
    Check::ok(name, shown.join("; "))
}

/// Whether a matrix has been run in this clone. What other compilers make for a target is made last.
fn is_built(repository: &Path) -> bool {
    let is_there = |target: &Target| {
        let folder = repository.join("dist").join(&target.triple).join(compilers::FOLDER);
        folder.join(Manifest::FILE).is_file()
    };
    Lab::read(repository).is_ok_and(|lab| lab.targets.iter().all(is_there))
}

/// The nearest folder that is there.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn images_made(unready: anyhow::Result<Vec<String>>) -> Check {
    let name = "images";
    match unready {
        Ok(missing) if missing.is_empty() => Check::ok(name, "all in the cache; no network is needed"),
        Ok(missing) => Check {
            state: State::Unneeded,
            cure: None,
            ..Check::ok(name, format!("not made yet, the next run makes them: {}", missing.join(", ")))
        },
        // The message names the command that renews the lock.
        Err(error) => Check { state: State::Missing, ..Check::ok(name, format!("{error:#}")) },
    }
}

fn mirror(ground: &Ground, complete: bool) -> Check {
    let otherwise = if complete { State::Unneeded } else { State::Missing };
    match images::reach_mirror(&ground.images) {
        Ok(address) => Check::ok("mirror", format!("{address} answers")),
        // The message says how to give another one.
        Err(error) => Check { state: otherwise, ..Check::ok("mirror", format!("{error:#}")) },
    }
}

fn pip(complete: bool) -> Check {
    let otherwise = if complete { State::Unneeded } else { State::Missing };
    match process::run(Command::new("python3").args(["-m", "pip", "--version"])) {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output).into_owned();
            Check::ok("pip", text.split(" from ").next().unwrap_or_default().trim())
        }
        Err(error) => Check {
            state: otherwise,
            ..Check::missing("pip", format!("{error:#}"), "as root: `apt-get install python3-pip`")
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_clone_is_built_when_every_target_has_what_is_made_last() {
        let clone = tempfile::tempdir().unwrap();
        let repository = crate::paths::repository().unwrap();
        fs::copy(repository.join("lab.toml"), clone.path().join("lab.toml")).unwrap();
        let lab = Lab::read(clone.path()).unwrap();
        for target in &lab.targets {
            assert!(!is_built(clone.path()), "nothing is there for {}", target.triple);
            let folder = clone.path().join("dist").join(&target.triple).join(compilers::FOLDER);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(Manifest::FILE), "{}").unwrap();
        }
        assert!(is_built(clone.path()));
        assert!(!is_built(&clone.path().join("none")));
    }
}
