//! Manifests as an author outside this workspace would write them.
//!
//! Cargo inherits from a workspace since 1.64 only, so everything inherited is spelled out. Lints and whatever belongs to tests stay
//! behind: both are this repository's own business, and may need a newer compiler.

use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

/// Sections that a build of the crate itself does not read.
const LEFT_OUT: [&str; 5] = ["lints", "dev-dependencies", "test", "bench", "example"];
/// Sections whose entries may be inherited.
const DEPENDENCIES: [&str; 2] = ["dependencies", "build-dependencies"];

/// The manifest of a workspace of `folders`, which are relative to it.
pub(super) fn workspace_manifest(folders: &[&Path]) -> Table {
    let members = folders.iter().map(|folder| Value::from(folder.to_string_lossy().into_owned())).collect();
    let workspace = Table::from_iter([
        ("members".to_owned(), Value::Array(members)),
        // What edition 2021 means, which a workspace without a package of its own has to say.
        ("resolver".to_owned(), Value::from("2")),
    ]);
    Table::from_iter([("workspace".to_owned(), Value::Table(workspace))])
}

/// `manifest`, which lies in `folder`, with all that it inherits from `root` spelled out.
///
/// `folder` and the paths in `root` are relative to the workspace.
///
/// # Errors
/// It inherits what `root` does not have.
pub(super) fn crate_manifest(manifest: &Table, root: &Table, folder: &Path) -> Result<Table> {
    let mut exported = manifest.clone();
    for section in LEFT_OUT {
        exported.remove(section);
    }
    if let Some(package) = exported.get_mut("package").and_then(Value::as_table_mut) {
        for (name, value) in package.iter_mut().filter(|(_, value)| is_inherited(value)) {
            *value = inherited(root, "package", name)?.clone();
        }
    }
    let to_root = "../".repeat(folder.components().count());
    spell_out_dependencies(&mut exported, root, &to_root)?;
    if let Some(platforms) = exported.get_mut("target").and_then(Value::as_table_mut) {
        for (_, platform) in platforms.iter_mut() {
            if let Some(platform) = platform.as_table_mut() {
                spell_out_dependencies(platform, root, &to_root)?;
            }
        }
    }
    Ok(exported)
}

fn spell_out_dependencies(holder: &mut Table, root: &Table, to_root: &str) -> Result<()> {
    for section in DEPENDENCIES {
        let Some(entries) = holder.get_mut(section).and_then(Value::as_table_mut) else { continue };
        for (name, value) in entries.iter_mut().filter(|(_, value)| is_inherited(value)) {
            *value = Value::Table(dependency(value, inherited(root, "dependencies", name)?, to_root));
        }
    }
    Ok(())
}

/// What the workspace says of a dependency, with what the crate adds to it.
fn dependency(own: &Value, inherited: &Value, to_root: &str) -> Table {
    let mut spelled_out = match inherited {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    };
    if let Some(Value::String(path)) = spelled_out.get_mut("path") {
        path.insert_str(0, to_root);
    }
    for (key, value) in own.as_table().into_iter().flatten().filter(|(key, _)| *key != "workspace") {
        match (spelled_out.get_mut(key), value) {
            // Features add up; anything else that the crate says replaces what the workspace says.
            (Some(Value::Array(features)), Value::Array(more)) => features.extend(more.iter().cloned()),
            _ => {
                spelled_out.insert(key.clone(), value.clone());
            }
        }
    }
    spelled_out
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

fn inherited<'a>(root: &'a Table, section: &str, name: &str) -> Result<&'a Value> {
    root.get("workspace").and_then(|workspace| workspace.get(section)?.get(name)).with_context(|| {
        format!("{name:?} is inherited, [workspace.{section}] does not have it; add it there")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = r#"
        [workspace.package]
        version = "0.1.0"
        [workspace.dependencies]
        plugin-sdk = { path = "plugins/sdk" }
        semver = "1"
        rustix = { version = "1.1", features = ["fs"] }
    "#;

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(manifest: &str, exported: &str) {
        let actual =
            crate_manifest(&table(manifest), &table(ROOT), Path::new("plugins/handlers/ip")).unwrap();
        assert_eq!(actual, table(exported));
    }

    #[test]
    fn what_the_package_inherits_is_spelled_out() {
        check(
            "[package]\nname = \"ip\"\nversion.workspace = true\nedition = \"2021\"",
            "[package]\nname = \"ip\"\nversion = \"0.1.0\"\nedition = \"2021\"",
        );
    }

    #[test]
    fn lints_and_what_tests_need_stay_behind() {
        check(
            "[lints]\nworkspace = true\n[dev-dependencies]\nproptest.workspace = true\n[[test]]\nname = \"it\"\n[lib]\ncrate-type = [\"cdylib\"]",
            "[lib]\ncrate-type = [\"cdylib\"]",
        );
    }

    #[test]
    fn dependencies_are_spelled_out() {
        let cases = [
            ("plugin-sdk.workspace = true", r#"plugin-sdk = { path = "../../../plugins/sdk" }"#),
            ("semver.workspace = true", r#"semver = { version = "1" }"#),
            (
                r#"rustix = { workspace = true, optional = true, features = ["net"] }"#,
                r#"rustix = { version = "1.1", optional = true, features = ["fs", "net"] }"#,
            ),
            (r#"libc = "0.2""#, r#"libc = "0.2""#),
        ];
        for (own, spelled_out) in cases {
            for section in ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
                check(&format!("[{section}]\n{own}"), &format!("[{section}]\n{spelled_out}"));
            }
        }
    }

    #[test]
    fn what_the_workspace_does_not_have_is_named() {
        let manifest = table("[dependencies]\nfoo.workspace = true");
        let error = crate_manifest(&manifest, &table(ROOT), Path::new("plugins/sdk")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"foo\" is inherited, [workspace.dependencies] does not have it; add it there"
        );
    }

    #[test]
    fn the_workspace_lists_its_members() {
        let folders = [Path::new("plugins/abi"), Path::new("plugins/sdk")];
        assert_eq!(
            workspace_manifest(&folders),
            table("[workspace]\nmembers = [\"plugins/abi\", \"plugins/sdk\"]\nresolver = \"2\"")
        );
    }
}
