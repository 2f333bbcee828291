//! What one archive holds: what was built, what is needed to use it, and what has to be passed on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use plugin_compat::ElfFacts;

use super::archive::File;
use super::bill::{self, CrateFacts, Materials, Product};
use super::{named, toolchain, usage};
use crate::build::linked::{CrateId, LinkGraph, Linked};
use crate::build::notices::{self, Notice};
use crate::build::{self, Built, Manifest, Workshop, nginx, sha256};
use crate::lab::{Artifact, Lab, Libc, ModuleRecipe, Nginx, Recipe, Target, client_folder};

/// Files of the repository, and where archives have them.
const AS_THEY_ARE: [(&str, &str); 5] = [
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("plugins/abi/include/dynlab_plugin.h", "include/dynlab_plugin.h"),
    ("plugins/abi/SPEC.md", "include/SPEC.md"),
];

/// Where an archive has its bill of materials, and the licences of all crates.
const BILL: &str = "sbom.cdx.json";
const THIRD_PARTY: &str = "THIRD-PARTY";

/// An archive's files by path, and its bill of materials once more.
pub(super) struct Contents {
    pub(super) files: BTreeMap<String, File>,
    pub(super) bill: String,
}

/// A file that was built, and what is said of it.
pub(super) struct Shipped {
    /// As in the manifest of what was built, but for its place.
    pub(super) built: Built,
    /// One line for people.
    pub(super) description: String,
    content: Vec<u8>,
    is_program: bool,
    /// The crate that it is; none if it is written in C.
    root: Option<CrateId>,
}

/// Builds what is missing for `target`, and puts its archive's content together.
///
/// # Errors
/// Sources that do not compile; a crate without a licence; a file that names a crate which its bill does not have.
pub(super) fn gather(lab: &Lab, target: &Target, version: &str, workshop: &Workshop<'_>) -> Result<Contents> {
    let repository = &workshop.ground.repository;
    let built = build::ensure(lab, &[target], workshop)?;
    let built = built.first().context("one target has one folder")?;
    let graph = LinkGraph::read(workshop, "", &built_together(lab, target)?, &target.triple)?;
    let descriptions = descriptions(repository)?;
    let mut shipped = Vec::new();
    for name in &lab.shipment.programs {
        let program = lab.programs.iter().find(|one| one.name == *name).context("lab.toml is checked")?;
        let place = format!("bin/{name}");
        let description = descriptions.get(&program.package).cloned().unwrap_or_default();
        let root = Some(graph.ours(&program.package)?.clone());
        shipped.push(take(&built.manifest, name, &built.folder, place, description, root)?);
    }
    for name in &lab.shipment.plugins {
        let artifact = lab.artifacts.iter().find(|one| one.name == *name).context("lab.toml is checked")?;
        shipped.push(take_plugin(artifact, target, built, &graph, &descriptions)?);
    }
    let mut crates = BTreeMap::new();
    let mut notices = BTreeMap::new();
    let roots = shipped.iter().filter_map(|one| one.root.as_ref());
    add_crates(workshop, "", &graph.closure(roots), &mut crates, &mut notices)?;
    let own_nginxes = lab.nginxes.iter().filter(|one| one.arch == target.arch && target.libc == Libc::Gnu);
    for nginx in own_nginxes {
        let (graph, module) = nginx::links(workshop, nginx.arch)?;
        add_crates(workshop, nginx::WORKSPACE, &graph.closure([&module]), &mut crates, &mut notices)?;
        take_modules(lab, nginx, &module, workshop, &mut shipped)?;
    }
    for one in &shipped {
        check_named(one, &crates, || toolchain::crates_of_std(workshop.toolchain, target))?;
    }

    let mut files = BTreeMap::new();
    let text = |text: &str| File { content: text.as_bytes().to_vec(), executable: false };
    for (source, place) in AS_THEY_ARE {
        let content = fs::read(repository.join(source)).with_context(|| format!("cannot read {source}"))?;
        files.insert(place.to_owned(), File { content, executable: false });
    }
    let parts = toolchain::parts(repository, lab, target)?;
    files.extend(toolchain::licences(&parts, workshop.toolchain)?);
    files.insert(THIRD_PARTY.to_owned(), text(&third_party(&notices)));
    files.insert("README.md".to_owned(), text(&usage::text(version, target, &shipped)));
    let manifest = Manifest {
        target: target.triple.clone(),
        image_digest: workshop.toolchain.digest.clone(),
        artifacts: shipped.iter().map(|one| one.built.clone()).collect(),
    };
    files.insert(Manifest::FILE.to_owned(), text(&manifest.text()?));
    let bill = bill::write(&Materials {
        target: &target.triple,
        version,
        toolchain_digest: &workshop.toolchain.digest,
        files: shipped.iter().map(Shipped::product).collect(),
        crates,
        parts,
    })?;
    files.insert(BILL.to_owned(), text(&bill));
    for one in shipped {
        files.insert(one.built.file, File { content: one.content, executable: one.is_program });
    }
    Ok(Contents { files, bill })
}

impl Shipped {
    fn product(&self) -> Product<'_> {
        Product {
            path: &self.built.file,
            is_program: self.is_program,
            sha256: &self.built.sha256,
            root: self.root.as_ref(),
        }
    }
}

/// All packages that one cargo invocation builds for `target`; their features add up.
fn built_together<'a>(lab: &'a Lab, target: &Target) -> Result<BTreeSet<&'a str>> {
    let mut packages: BTreeSet<&str> = lab.programs.iter().map(|program| program.package.as_str()).collect();
    for artifact in lab.artifacts.iter().filter(|artifact| artifact.is_built_for(target)) {
        if let Recipe::Cargo(package) = artifact.recipe()? {
            packages.insert(package);
        }
    }
    Ok(packages)
}

/// What the manifests of the workspace's packages say of them.
fn descriptions(repository: &Path) -> Result<BTreeMap<String, String>> {
    let packages = build::members(repository)?.packages.into_iter();
    Ok(packages.map(|one| (one.name.to_string(), one.description.unwrap_or_default())).collect())
}

/// The file called `name` in a manifest of `folder`, to lie at `place`.
fn take(
    manifest: &Manifest,
    name: &str,
    folder: &Path,
    place: String,
    description: String,
    root: Option<CrateId>,
) -> Result<Shipped> {
    let built = manifest.find(name).with_context(|| format!("{} has no {name}", folder.display()))?;
    let path = built.path(folder);
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if sha256(&content) != built.sha256 {
        bail!("{} was changed while its archive was made; run the command again", path.display());
    }
    let is_program = built.kind == "program";
    Ok(Shipped { built: Built { file: place, ..built.clone() }, description, content, is_program, root })
}

/// Under the name that plugins have by convention: see server/README.md.
fn take_plugin(
    artifact: &Artifact,
    target: &Target,
    built: &build::Dist,
    graph: &LinkGraph,
    descriptions: &BTreeMap<String, String>,
) -> Result<Shipped> {
    let name = &artifact.name;
    let (description, root) = match artifact.recipe()? {
        Recipe::Cargo(package) => {
            (descriptions.get(package).cloned().unwrap_or_default(), Some(graph.ours(package)?.clone()))
        }
        Recipe::C(source) => (format!("Plugin in C, from {}", source.source), None),
        Recipe::Copy(_) | Recipe::Cut(_) => {
            bail!("plugin {name:?} is not built from sources; take it out of [dist] in lab.toml")
        }
    };
    let mut shipped = take(&built.manifest, name, &built.folder, String::new(), description, root)?;
    let facts = ElfFacts::parse(&shipped.content).with_context(|| name.clone())?;
    let identity = facts.note.identity().with_context(|| format!("{name} does not say who it is"))?;
    let folder = client_folder(artifact).context("lab.toml is checked")?;
    let (own_name, version) = (&identity.name, &identity.version);
    shipped.built.file = format!("plugins/{folder}/{own_name}-{version}-{}-{}.so", target.arch, target.libc);
    Ok(shipped)
}

fn take_modules(
    lab: &Lab,
    nginx: &Nginx,
    module: &CrateId,
    workshop: &Workshop<'_>,
    shipped: &mut Vec<Shipped>,
) -> Result<()> {
    let path = nginx::ensure(workshop.ground, &nginx.version, nginx.arch)?;
    let folder = path.parent().context("a module lies in a folder")?;
    let manifest = Manifest::read_verified(folder)
        .with_context(|| format!("{} was changed while its archive was made", folder.display()))?;
    for name in &lab.shipment.modules {
        let wanted = lab.modules.iter().find(|one| one.name == *name).context("lab.toml is checked")?;
        let ModuleRecipe::Built(file) = wanted.recipe()? else { continue };
        let place = format!("nginx-{}/{file}.so", nginx.version);
        let description =
            format!("Module of Debian's nginx {}, see its directives in ngx-backend/module", nginx.version);
        shipped.push(take(&manifest, file, folder, place, description, Some(module.clone()))?);
    }
    Ok(())
}

/// Adds what is known of `closure`, which is of the workspace in `folder`.
fn add_crates(
    workshop: &Workshop<'_>,
    folder: &str,
    closure: &BTreeMap<&CrateId, &Linked>,
    crates: &mut BTreeMap<CrateId, CrateFacts>,
    notices: &mut BTreeMap<CrateId, Notice>,
) -> Result<()> {
    let lock = workshop.ground.repository.join(folder).join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let checksums = bill::checksums(&lock)?;
    let own_notices = notices::read_all(workshop, folder, closure)?;
    for (&id, &linked) in closure {
        let facts = crates.entry(id.clone()).or_insert_with(|| CrateFacts {
            linked: Linked { is_ours: linked.is_ours, links: BTreeSet::new() },
            licence: own_notices.get(id).and_then(|notice| notice.licence.clone()),
            checksum: checksums.get(id).cloned(),
        });
        // Two workspaces may link one crate with different features.
        facts.linked.links.extend(linked.links.iter().cloned());
    }
    notices.extend(own_notices);
    Ok(())
}

/// Whether all crates that a file names in its messages are in the bill, or in Rust's std, which the bill has as a whole: what was linked says itself
/// whether that was foreseen.
fn check_named(
    shipped: &Shipped,
    crates: &BTreeMap<CrateId, CrateFacts>,
    of_std: impl FnOnce() -> Result<BTreeSet<String>>,
) -> Result<()> {
    let known: BTreeSet<String> = crates.keys().map(CrateId::to_string).collect();
    let mut unknown: Vec<String> = named::crates(&shipped.content).difference(&known).cloned().collect();
    if !unknown.is_empty() {
        let of_std = of_std()?;
        unknown.retain(|one| !of_std.contains(one));
    }
    if !unknown.is_empty() {
        bail!(
            "{} has code of {}, which cargo does not tell to be linked, so that no bill of materials could name it",
            shipped.built.file,
            unknown.join(", ")
        );
    }
    Ok(())
}

fn third_party(notices: &BTreeMap<CrateId, Notice>) -> String {
    format!(
        "Crates that are part of the programs, plugins and modules here, each under the licence that is named behind it. Which are part of\n\
         what says {BILL}. Rust's own library and what else the compilers add have their licences in the folder licences.\n\n{}",
        notices::render(notices)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_names_is_in_the_bill_or_in_std() {
        let text = String::new;
        let shipped = Shipped {
            built: Built {
                name: text(),
                kind: text(),
                file: "bin/x".to_owned(),
                sha256: text(),
                size: 0,
                glibc_floor: None,
                source_digest: text(),
                inputs: text(),
            },
            description: String::new(),
            content: b"\0/vendor/gimli-0.32.3/src/lib.rs\0/vendor/mio-1.0.4/src/lib.rs\0".to_vec(),
            is_program: true,
            root: None,
        };
        let std = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
        check_named(&shipped, &BTreeMap::new(), || std(&["gimli-0.32.3", "mio-1.0.4"])).unwrap();
        let error =
            check_named(&shipped, &BTreeMap::new(), || std(&["gimli-0.32.3"])).unwrap_err().to_string();
        assert!(error.contains("bin/x has code of mio-1.0.4, which"), "{error}");
    }
}
