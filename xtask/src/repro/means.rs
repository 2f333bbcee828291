//! How much of a build's circumstances can be changed here, and the order that changes it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::circumstances::{Circumstances, Means, Namespaces};
use super::place::{SHARED, Scratch};
use super::stage::Order;
use crate::engine::EngineChoice;
use crate::ground::Ground;
use crate::process;

/// Where a build sees the Rust toolchain that runs this, as its user may not enter the folder where that lies.
pub(super) const RUST: &str = "rust";
/// Variables that say how this machine reaches others, or which toolchain is meant. What those of xtask's own say, commands are given as options.
const KEPT: [&str; 10] = [
    "PATH",
    "DOCKER_HOST",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// The most that this machine allows, of what `works`.
pub(super) fn best(
    choice: EngineChoice,
    is_root: bool,
    works: &dyn Fn(&Means) -> Result<()>,
) -> Result<Means> {
    if choice != EngineChoice::Sandbox {
        let because = "a container engine has its own user and mounts";
        return Ok(Means { namespaces: Namespaces::None, other_user: false, because: because.to_owned() });
    }
    let namespaces = if is_root { Namespaces::Plain } else { Namespaces::OfUser };
    let mut because = String::new();
    for (namespaces, other_user) in
        [(namespaces, true), (Namespaces::Plain, false), (Namespaces::None, false)]
    {
        // An ordinary user may make none without being another user in them.
        if namespaces == Namespaces::Plain && !is_root {
            continue;
        }
        let means = Means { namespaces, other_user, because: because.clone() };
        match works(&means) {
            Ok(()) => return Ok(means),
            Err(error) if namespaces == Namespaces::None => return Err(error),
            Err(error) => because = format!("{error:#}"),
        }
    }
    bail!("no sandbox works here")
}

/// Whether a sandbox works where the order leads.
pub(super) fn rehearse(order: &Order) -> Result<()> {
    process::run(&mut order.rehearsal().command()?).map(drop)
}

pub(super) fn order(
    ground: &Ground,
    folder: &Scratch,
    circumstances: Circumstances,
    means: &Means,
    toolchain: Option<&Path>,
) -> Order {
    let mut shown = Vec::new();
    let mut cargo = toolchain.map(|root| root.join("bin/cargo"));
    if means.namespaces != Namespaces::None {
        shown.extend(SHARED.map(|name| (ground.cache.join(name), folder.shown().join(name))));
        if let Some(root) = toolchain.filter(|root| *root != Path::new("/usr")) {
            let target = folder.shown().join(RUST);
            cargo = Some(target.join("bin/cargo"));
            shown.push((root.to_owned(), target));
        }
    }
    let folders = &circumstances.folders;
    let mut env: Vec<(OsString, OsString)> =
        KEPT.iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?))).collect();
    let own: [(&str, OsString); 9] = [
        ("HOME", folders.home.clone().into()),
        ("CARGO_HOME", folders.home.join(".cargo").into()),
        ("CARGO_MANIFEST_DIR", folders.repository.join("xtask").into()),
        ("DYNLAB_CACHE", folders.cache.clone().into()),
        ("LC_ALL", circumstances.locale.clone().into()),
        ("TMPDIR", folders.temporary.clone().into()),
        ("TZ", circumstances.time_zone.clone().into()),
        ("USER", circumstances.user.name.clone().into()),
        ("LOGNAME", circumstances.user.name.clone().into()),
    ];
    env.extend(own.map(|(name, value)| (name.into(), value)));
    env.extend(cargo.map(|cargo| ("CARGO".into(), cargo.into())));
    Order {
        circumstances,
        namespaces: means.namespaces,
        other_user: means.other_user,
        shown,
        program: folder.path.join("xtask"),
        arguments: Vec::new(),
        env,
    }
}

/// The folder of the Rust toolchain that runs this. What stands first on `PATH` may be rustup, which looks for toolchains in the home folder.
pub(super) fn toolchain(repository: &Path) -> Result<Option<PathBuf>> {
    let above = |program: &Path| Some(program.parent()?.parent()?.to_owned());
    if let Some(cargo) = env::var_os("CARGO").map(PathBuf::from).filter(|cargo| cargo.is_absolute()) {
        return Ok(above(&cargo));
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let printed = process::run(command.args(["--print", "sysroot"]).current_dir(repository))?;
    let root = PathBuf::from(String::from_utf8(printed).context("rustc's folder is no text")?.trim());
    Ok(root.join("bin/cargo").is_file().then_some(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_works_is_taken_and_the_rest_is_explained() {
        let try_with = |is_root: bool, works: &dyn Fn(&Means) -> bool| {
            let check = |means: &Means| {
                anyhow::ensure!(works(means), "not with {:?} and {}", means.namespaces, means.other_user);
                Ok(())
            };
            best(EngineChoice::Sandbox, is_root, &check)
        };
        let of = |means: Means| (means.namespaces, means.other_user);
        assert_eq!(of(try_with(true, &|_| true).unwrap()), (Namespaces::Plain, true));
        assert_eq!(of(try_with(false, &|_| true).unwrap()), (Namespaces::OfUser, true));
        let same_user = try_with(true, &|means| !means.other_user).unwrap();
        assert_eq!(same_user.because, "not with Plain and true");
        assert_eq!(of(same_user), (Namespaces::Plain, false));
        let none = try_with(false, &|means| means.namespaces == Namespaces::None).unwrap();
        assert_eq!(none.because, "not with OfUser and true");
        assert!(try_with(true, &|_| false).is_err());
        let docker = best(EngineChoice::Docker, true, &|_| bail!("never asked")).unwrap();
        assert_eq!(of(docker), (Namespaces::None, false));
    }
}
