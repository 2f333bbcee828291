//! What hosts link: checked in this workspace, with its locked crates, by compilers that can read it.

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use cargo_metadata::semver::Version;

use crate::build;
use crate::ci::room;
use crate::engine::Engine;
use crate::error::Stop;
use crate::ground::Ground;

/// What there are images for, as major and minor version.
const COMPILERS: [(u64, u64); 1] = [(1, 85)];

/// The most and the least that somebody may link of a crate; without its features it may lack what only they bring in.
const FEATURES: [&str; 2] = ["--all-features", "--no-default-features"];

/// Has each of `crates` checked, with all its features and with none, by the compiler that it promises.
///
/// # Errors
/// [`Stop::Disagreement`] naming the crate and the compiler, when the promise is not kept or cannot be checked.
pub(super) fn check(crates: &[&Package], ground: &Ground, engine: &dyn Engine) -> Result<()> {
    for package in crates {
        let name = image_of(package)?;
        let image = ground.image(&name)?;
        let output = ground.repository.join("target").join("lab").join("msrv-checks").join(&name);
        let room = room::with_crates(engine, &image, ground.repository.clone(), output, ground)?;
        for features in FEATURES {
            let argv = room::cargo(&["check", "--locked", "--offline", features, "--package", &package.name]);
            room.run(&argv, build::cargo_environment("checks"), None).map_err(|error| {
                error.context(Stop::Disagreement(format!(
                    "{} does not build {features} with the compiler of image {name}, which its `rust-version` promises; write what that compiler understands, take older crates, or raise `rust-version`",
                    package.name
                )))
            })?;
        }
    }
    Ok(())
}

fn image_of(package: &Package) -> Result<String> {
    let promise: &Version = package.rust_version.as_ref().context("what is published promises a compiler")?;
    if !COMPILERS.contains(&(promise.major, promise.minor)) {
        let known = COMPILERS.map(|(major, minor)| format!("{major}.{minor}")).join(", ");
        bail!(Stop::Disagreement(format!(
            "{} promises rustc {promise}, and promises are kept with {known}; name that, or add another compiler to containers/msrv",
            package.name
        )));
    }
    Ok(format!("msrv-{}.{}", promise.major, promise.minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_that_nobody_checks_is_named() {
        let metadata = build::members(&crate::paths::repository().unwrap()).unwrap();
        let package = |name: &str| metadata.packages.iter().find(|one| one.name == name).unwrap().clone();
        for name in ["plugin-compat", "plugin-host", "forker", "server-log"] {
            assert_eq!(image_of(&package(name)).unwrap(), "msrv-1.85");
        }
        let mut other = package("forker");
        other.rust_version = Some(Version::new(1, 88, 0));
        let error = image_of(&other).unwrap_err().to_string();
        assert!(
            error.starts_with("forker promises rustc 1.88.0, and promises are kept with 1.85;"),
            "{error}"
        );
    }
}
