use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand, PackageId, TargetKind};
use serde_json::Value;

use super::*;
use crate::build::linked::{LinkGraph, tree_arguments};

fn id(name: &str, version: &str) -> CrateId {
    CrateId { name: name.to_owned(), version: version.to_owned() }
}

fn facts(is_ours: bool, licence: Option<&str>, links: &[&CrateId]) -> CrateFacts {
    CrateFacts {
        linked: Linked { is_ours, links: links.iter().map(|&one| one.clone()).collect() },
        licence: licence.map(str::to_owned),
        checksum: (!is_ours).then(|| "c".repeat(64)),
    }
}

/// The bill of a plugin that is `root`, and of a program in C.
fn check(crates: BTreeMap<CrateId, CrateFacts>, root: &CrateId) -> Result<Value> {
    let sha256 = "f".repeat(64);
    let plugin = Product { path: "plugins/redis.so", is_program: false, sha256: &sha256, root: Some(root) };
    let program = Product { path: "bin/hello", is_program: true, sha256: &sha256, root: None };
    let text = write(&Materials {
        target: "x86_64-unknown-linux-gnu",
        version: "0.1.0",
        toolchain_digest: &format!("sha256:{}", "d".repeat(64)),
        files: vec![plugin, program],
        crates,
        parts: Vec::new(),
    })?;
    Ok(serde_json::from_str(&text)?)
}

#[test]
fn files_crates_and_what_links_what() {
    let (ours, zstd, named) =
        (id("redis-cache", "0.1.0"), id("zstd-sys", "2.0.1+zstd.1.5"), id("odd", "1.0.0"));
    let crates = BTreeMap::from([
        (ours.clone(), facts(true, None, &[&zstd])),
        (zstd.clone(), facts(false, Some("MIT/Apache-2.0"), &[&named])),
        (named.clone(), facts(false, None, &[])),
    ]);
    let bom = check(crates.clone(), &ours).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(bom["metadata"]["tools"]["components"][1]["hashes"][0]["content"], "d".repeat(64));
    let component = |reference: &str| {
        let all = bom["components"].as_array().unwrap();
        all.iter().find(|one| one["bom-ref"] == reference).unwrap_or(&Value::Null).clone()
    };
    let purl = "pkg:cargo/zstd-sys@2.0.1%2Bzstd.1.5";
    assert_eq!(component(purl)["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert_eq!(
        (&component(purl)["purl"], &component(purl)["version"]),
        (&purl.into(), &"2.0.1+zstd.1.5".into())
    );
    assert_eq!(component("crate:redis-cache@0.1.0")["purl"], Value::Null);
    assert_eq!(component("crate:redis-cache@0.1.0")["hashes"], Value::Null);
    assert!(component("pkg:cargo/odd@1.0.0")["licenses"][0]["license"]["name"].is_string());
    assert_eq!(component("file:plugins/redis.so")["type"], "library");
    assert_eq!(component("file:bin/hello")["type"], "application");
    let depends_on = |reference: &str| {
        let all = bom["dependencies"].as_array().unwrap();
        all.iter().find(|one| one["ref"] == reference).map(|one| one["dependsOn"].clone()).unwrap_or_default()
    };
    assert_eq!(depends_on("dynlab"), serde_json::json!(["file:plugins/redis.so", "file:bin/hello"]));
    assert_eq!(depends_on("file:plugins/redis.so"), serde_json::json!(["crate:redis-cache@0.1.0"]));
    assert_eq!(depends_on("crate:redis-cache@0.1.0"), serde_json::json!([purl]));
    assert_eq!(depends_on("file:bin/hello"), serde_json::json!([]));

    assert_eq!(check(crates.clone(), &ours).unwrap(), bom);
    let mut others = crates;
    others.get_mut(&named).unwrap().licence = Some("MIT".to_owned());
    assert_ne!(check(others, &ours).unwrap()["serialNumber"], bom["serialNumber"]);
}

#[test]
fn what_is_linked_and_not_known_is_named() {
    let (ours, absent) = (id("a", "0.1.0"), id("b", "1.0.0"));
    let error = check([(ours.clone(), facts(true, None, &[&absent]))].into(), &ours).unwrap_err().to_string();
    assert_eq!(error, "crate b-1.0.0 is linked and not in the bill of materials");
    let without = CrateFacts { checksum: None, ..facts(false, Some("MIT"), &[]) };
    let error = check([(absent.clone(), without)].into(), &absent).unwrap_err().to_string();
    assert!(error.starts_with("crate b-1.0.0 has no checksum"), "{error}");
}

#[test]
fn a_serial_number_is_a_uuid() {
    assert_eq!(uuid_of(&"0123456789abcdef".repeat(4)), "urn:uuid:01234567-89ab-8def-8123-456789abcdef");
    assert_eq!(uuid_of(&"f".repeat(64)), "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
}

/// What cargo's tree tells, which bills are made of, set against what `cargo metadata` tells of the same programs.
#[test]
fn nothing_that_cargo_metadata_knows_to_be_linked_is_missing() {
    let repository = crate::paths::repository().unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let packages = BTreeSet::from(["server", "backend", "compress-middleware", "redis-cache"]);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let printed =
        crate::process::run(command.args(tree_arguments(&packages, &target)).current_dir(&repository))
            .unwrap();
    let graph = LinkGraph::parse(&String::from_utf8(printed).unwrap()).unwrap();
    let told: BTreeSet<String> = packages
        .iter()
        .flat_map(|package| graph.closure([graph.ours(package).unwrap()]).into_keys())
        .map(CrateId::to_string)
        .collect();

    let metadata = MetadataCommand::new()
        .current_dir(&repository)
        .other_options(["--offline", "--locked", "--filter-platform", &target].map(str::to_owned).to_vec())
        .exec()
        .unwrap();
    let resolve = metadata.resolve.as_ref().unwrap();
    let closure = |is_followed: &dyn Fn(&PackageId, &str) -> bool| -> BTreeSet<String> {
        let roots = metadata.packages.iter().filter(|one| packages.contains(one.name.as_str()));
        let mut waiting: Vec<&PackageId> = roots.map(|one| &one.id).collect();
        let mut found = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            let package = &metadata[id];
            let is_macro = package.targets.iter().any(|one| one.kind.contains(&TargetKind::ProcMacro));
            if is_macro || !found.insert(format!("{}-{}", package.name, package.version)) {
                continue;
            }
            let node = resolve.nodes.iter().find(|node| node.id == *id).unwrap();
            for dependency in &node.deps {
                let is_linked = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
                if is_linked && is_followed(id, metadata[&dependency.pkg].name.as_str()) {
                    waiting.push(&dependency.pkg);
                }
            }
        }
        found
    };
    // Features of the whole workspace are on there, so that optional crates may be linked or not.
    let at_most = closure(&|_, _| true);
    let at_least = closure(&|id, name| {
        let mut of_it = metadata[id].dependencies.iter().filter(|one| one.name == name);
        of_it.any(|one| !one.optional && one.kind == DependencyKind::Normal && one.target.is_none())
    });
    assert!(at_least.len() > 60, "{at_least:?}");
    let missing: Vec<_> = at_least.difference(&told).collect();
    let invented: Vec<_> = told.difference(&at_most).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing {missing:?}, not linked {invented:?}");

    let lock = std::fs::read_to_string(repository.join("Cargo.lock")).unwrap();
    let known = checksums(&lock).unwrap();
    let crates = packages.iter().flat_map(|package| graph.closure([graph.ours(package).unwrap()]));
    for (id, linked) in crates {
        assert_eq!(known.contains_key(id), !linked.is_ours, "{id}");
    }
}
