//! The crates that registries are meant to have: those of the workspace whose manifests say `publish = true`.

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::error::Stop;

/// All of them, each after those that it links.
///
/// # Errors
/// [`Stop::Disagreement`] naming what keeps one from being published.
pub(super) fn crates(metadata: &Metadata) -> Result<Vec<&Package>> {
    let mut sorted: Vec<&Package> = Vec::new();
    for package in metadata.packages.iter().filter(|package| is_published(package)) {
        add(package, metadata, &mut sorted)?;
    }
    let wrong: Vec<String> = sorted.iter().flat_map(|package| missing_of(package)).collect();
    if !wrong.is_empty() {
        bail!(Stop::Disagreement(wrong.join("; ")));
    }
    Ok(sorted)
}

fn add<'a>(package: &'a Package, metadata: &'a Metadata, sorted: &mut Vec<&'a Package>) -> Result<()> {
    for dependency in package.dependencies.iter().filter(|one| one.kind != DependencyKind::Development) {
        let linked =
            metadata.packages.iter().find(|one| dependency.path.is_some() && one.name == dependency.name);
        let Some(linked) = linked else { continue };
        if !is_published(linked) {
            bail!(Stop::Disagreement(format!(
                "{} is published and links {}, which is not; give that one `publish = true`",
                package.name, linked.name
            )));
        }
        if !dependency.req.matches(&linked.version) || dependency.req.comparators.is_empty() {
            bail!(Stop::Disagreement(format!(
                "{} links {} {}, whose version is {}; name that one in [workspace.dependencies]",
                package.name, linked.name, dependency.req, linked.version
            )));
        }
        add(linked, metadata, sorted)?;
    }
    if !sorted.iter().any(|known| known.name == package.name) {
        sorted.push(package);
    }
    Ok(())
}

/// `publish` is absent where it is allowed, and an empty list where it is not.
fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}

/// What registries ask for, and people look for there.
fn missing_of(package: &Package) -> Vec<String> {
    let fields = [
        ("description", package.description.as_ref().is_some_and(|text| text.len() > 20)),
        ("license", package.license.is_some()),
        ("readme", package.readme().is_some_and(|file| file.is_file())),
        ("rust-version", package.rust_version.is_some()),
        // At most five: https://doc.rust-lang.org/cargo/reference/manifest.html#the-keywords-field
        ("keywords", (1..=5).contains(&package.keywords.len())),
        ("categories", (1..=5).contains(&package.categories.len())),
    ];
    let missing = fields.into_iter().filter(|(_, is_there)| !is_there);
    missing.map(|(field, _)| format!("{} is published and has no usable `{field}`", package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build;

    fn metadata() -> Metadata {
        build::members(&crate::paths::repository().unwrap()).unwrap()
    }

    #[test]
    fn the_contract_comes_before_what_links_it() {
        let metadata = metadata();
        let names: Vec<&str> = crates(&metadata).unwrap().iter().map(|one| one.name.as_str()).collect();
        let at = |name: &str| names.iter().position(|one| *one == name).unwrap();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(at("plugin-abi") < at("plugin-sdk") && at("plugin-compat") < at("plugin-host"), "{names:?}");
        assert!(at("server-log") < at("forker"), "{names:?}");
    }

    #[test]
    fn what_cannot_be_published_is_named() {
        let altered = |name: &str, alter: &dyn Fn(&mut Package)| {
            let mut metadata = metadata();
            alter(metadata.packages.iter_mut().find(|one| one.name == name).unwrap());
            crates(&metadata).unwrap_err().to_string()
        };
        let error = altered("server-log", &|package| package.publish = Some(Vec::new()));
        assert!(error.starts_with("forker is published and links server-log, which is not"), "{error}");
        let error = altered("plugin-abi", &|package| package.version = "0.2.0".parse().unwrap());
        assert!(error.contains("links plugin-abi ^0.1.0, whose version is 0.2.0"), "{error}");
        let error = altered("plugin-sdk", &|package| package.keywords.clear());
        assert_eq!(error, "plugin-sdk is published and has no usable `keywords`");
    }
}
