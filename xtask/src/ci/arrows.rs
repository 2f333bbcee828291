//! Which crate of the workspace may use which. ARCHITECTURE.md draws the same arrows.

use std::path::Path;

use anyhow::{Result, bail};
use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::build::members;
use crate::error::Stop;

/// Crates of the workspace and what each may depend on, outside its tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("plugin-abi", &[]),
    ("plugin-sdk", &["plugin-abi"]),
    ("plugin-settings", &["plugin-sdk"]),
    ("plugin-json", &["plugin-sdk"]),
    ("plugin-compat", &["plugin-abi"]),
    ("nginx-compat", &["plugin-compat"]),
    ("plugin-host", &["plugin-abi", "plugin-compat"]),
    ("plugin-testing", &["plugin-host"]),
    ("test-services", &[]),
    ("forker", &["server-log"]),
    ("forker-bare", &["forker"]),
    ("forker-examples", &["forker"]),
    ("server-log", &[]),
    ("http-front", &["server-log"]),
    ("server", &["forker", "http-front", "plugin-host"]),
    ("backend-map", &[]),
    ("redis-link", &[]),
    ("backend", &["backend-map", "http-front", "redis-link"]),
    // Reaches Redis as the daemon does.
    ("redis-cache", &["plugin-sdk", "plugin-settings", "redis-link"]),
    ("backend-entry", &["backend-map", "server-log"]),
    ("backend-bench", &["backend-map"]),
    // Reads what the publisher of that crate writes.
    ("snapshot-resolver", &["plugin-sdk", "plugin-settings", "backend-map"]),
    ("socket-resolver", &["plugin-sdk", "plugin-settings", "backend-map"]),
    ("server-e2e", &[]),
    ("backend-balance", &[]),
    ("backend-check", &["plugin-host", "server-e2e"]),
    ("backend-e2e", &["backend", "test-services"]),
    ("fib-demo", &["http-front", "plugin-host"]),
    ("moody-cache", &["plugin-sdk"]),
    // And plugins: see MAY_LINK_PLUGINS.
    ("static-server", &["server"]),
    ("plugin-bench", &["plugin-host", "plugin-sdk"]),
    ("bench-driver", &[]),
    ("xtask", &["bench-driver", "nginx-compat", "plugin-compat"]),
];

/// What a plugin may depend on: it is written against the SDK alone.
const ALLOWED_TO_PLUGINS: &[&str] = &["plugin-sdk", "plugin-settings", "plugin-json"];

/// The programs that plugins are part of.
const MAY_LINK_PLUGINS: &[&str] = &["static-server", "plugin-bench"];

/// Only this crate opens plugins.
const MAY_DLOPEN: &str = "plugin-host";
const DLOPEN_CRATE: &str = "libloading";

/// Checks the arrows, and that every crate inherits the workspace's lints and dependencies.
///
/// # Errors
/// [`Stop::Disagreement`] naming both ends of an arrow that points the wrong way.
pub(crate) fn check(repository: &Path) -> Result<()> {
    let metadata = members(repository)?;
    let mut wrong = wrong_arrows(&metadata);
    for package in &metadata.packages {
        wrong.extend(not_inherited(package)?);
    }
    if !wrong.is_empty() {
        bail!(Stop::Disagreement(format!("{}; see ARCHITECTURE.md", wrong.join("; "))));
    }
    Ok(())
}

fn wrong_arrows(metadata: &Metadata) -> Vec<String> {
    let is_member = |name: &str| metadata.packages.iter().any(|package| package.name == name);
    let is_plugin_name = |name: &str| {
        metadata.packages.iter().any(|package| package.name == name && is_plugin(package, metadata))
    };
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let allowed = match ALLOWED.iter().find(|(known, _)| *known == name) {
            Some((_, allowed)) => allowed,
            None if is_plugin(package, metadata) => ALLOWED_TO_PLUGINS,
            None => {
                wrong.push(format!("{name} is not among the crates whose arrows are known"));
                continue;
            }
        };
        for dependency in package.dependencies.iter().filter(|one| one.kind != DependencyKind::Development) {
            let used = dependency.name.as_str();
            let linked = MAY_LINK_PLUGINS.contains(&name) && is_plugin_name(used);
            if (is_member(used) && !allowed.contains(&used) && !linked)
                || (used == DLOPEN_CRATE && name != MAY_DLOPEN)
            {
                wrong.push(format!("{name} may not depend on {used}"));
            }
        }
    }
    wrong
}

/// Plugins live below `plugins/` in a folder of their kind.
fn is_plugin(package: &Package, metadata: &Metadata) -> bool {
    package
        .manifest_path
        .strip_prefix(&metadata.workspace_root)
        .is_ok_and(|path| path.starts_with("plugins") && path.components().count() > 3)
}

/// What a manifest says itself although the workspace says it once for all.
fn not_inherited(package: &Package) -> Result<Vec<String>> {
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(&package.manifest_path)?)?;
    let mut wrong = Vec::new();
    let inherits_lints =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if inherits_lints != Some(true) {
        wrong.push(format!("{} does not inherit the workspace's lints", package.name));
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten() {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                wrong.push(format!("{} does not inherit {name} from [workspace.dependencies]", package.name));
            }
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(dependencies: &[(&str, &str)]) -> Metadata {
        let mut metadata = members(&crate::paths::repository().unwrap()).unwrap();
        let donor = metadata.packages.iter().find(|package| package.name == "xtask").unwrap();
        let template = donor.dependencies.iter().find(|one| one.name == "plugin-compat").unwrap().clone();
        for (package, used) in dependencies {
            let mut dependency = template.clone();
            dependency.name = (*used).to_owned();
            metadata
                .packages
                .iter_mut()
                .find(|one| one.name == *package)
                .unwrap()
                .dependencies
                .push(dependency);
        }
        metadata
    }

    #[test]
    fn the_arrows_of_this_workspace_hold() {
        check(&crate::paths::repository().unwrap()).unwrap();
    }

    #[test]
    fn a_wrong_arrow_is_named() {
        let cases = [
            ("xtask", "plugin-host", "xtask may not depend on plugin-host"),
            ("xtask", "libloading", "xtask may not depend on libloading"),
            ("plugin-abi", "plugin-sdk", "plugin-abi may not depend on plugin-sdk"),
            ("ip-handler", "plugin-host", "ip-handler may not depend on plugin-host"),
            ("server", "ip-handler", "server may not depend on ip-handler"),
            ("http-front", "plugin-host", "http-front may not depend on plugin-host"),
            ("static-server", "plugin-host", "static-server may not depend on plugin-host"),
        ];
        for (package, used, sentence) in cases {
            assert_eq!(wrong_arrows(&metadata(&[(package, used)])), [sentence]);
        }
    }
}
