//! The bill of materials of an archive: its files, the crates and the parts of the toolchain that are linked into them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::cyclonedx::{
    Bom, Component, Dependency, Hash, Kind, Licence, Lifecycle, Metadata, NamedLicence, Property, Tools,
};
use super::toolchain::Part;
use crate::build::linked::{CrateId, Linked};
use crate::build::sha256;

/// The licence of what is in this repository.
const OWN_LICENCE: &str = env!("CARGO_PKG_LICENSE");
/// What the bill calls the archive itself.
const ROOT: &str = "dynlab";

/// All that is said of one archive.
pub(super) struct Materials<'a> {
    /// The target triple.
    pub(super) target: &'a str,
    /// The version of the release.
    pub(super) version: &'a str,
    /// Of the image whose compilers built it.
    pub(super) toolchain_digest: &'a str,
    /// Programs, plugins and modules.
    pub(super) files: Vec<Product<'a>>,
    /// Everything that is linked into them.
    pub(super) crates: BTreeMap<CrateId, CrateFacts>,
    /// What of the toolchain is linked into them.
    pub(super) parts: Vec<Part>,
}

/// A file that was built.
pub(super) struct Product<'a> {
    /// Where it lies in the archive.
    pub(super) path: &'a str,
    /// Whether it is started, and not loaded.
    pub(super) is_program: bool,
    pub(super) sha256: &'a str,
    /// The crate that it is; none if it is written in C.
    pub(super) root: Option<&'a CrateId>,
}

/// What is known of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrateFacts {
    /// What it links, and whose it is.
    pub(super) linked: Linked,
    /// The licence that its manifest names, if it is not ours and names one.
    pub(super) licence: Option<String>,
    /// SHA-256 of its package, in hexadecimal, if it comes from a registry.
    pub(super) checksum: Option<String>,
}

/// The bill as JSON. The same materials give the same bytes.
///
/// # Errors
/// A product or a crate links what is not among the crates; a crate of others has no checksum.
pub(super) fn write(materials: &Materials<'_>) -> Result<String> {
    let mut bom = Bom::new(metadata(materials), components(materials)?, dependencies(materials)?);
    // RFC 9562, version 8: its bits are ours to choose, and these are those of the bill.
    bom.serial_number = Some(uuid_of(&sha256(&serde_json::to_vec(&bom)?)));
    let mut text = serde_json::to_string_pretty(&bom).context("cannot encode a bill of materials")?;
    text.push('\n');
    Ok(text)
}

/// The checksum of each crate of a registry in a lock file.
pub(super) fn checksums(lock: &str) -> Result<BTreeMap<CrateId, String>> {
    #[derive(Deserialize)]
    struct LockFile {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let lock: LockFile = toml::from_str(lock).context("cannot parse a lock file of cargo")?;
    let known = lock.package.into_iter().filter_map(|package| {
        Some((CrateId { name: package.name, version: package.version }, package.checksum?))
    });
    Ok(known.collect())
}

fn metadata(materials: &Materials<'_>) -> Metadata {
    let property = |name, value: &str| Property { name, value: value.to_owned() };
    let digest = materials.toolchain_digest;
    Metadata {
        lifecycles: [Lifecycle { phase: "build" }],
        tools: Tools {
            components: vec![
                Component {
                    version: Some(materials.version.to_owned()),
                    description: Some("cargo xtask dist".to_owned()),
                    ..Component::new(Kind::Application, "xtask")
                },
                Component {
                    version: Some(digest.to_owned()),
                    hashes: vec![Hash::sha256(digest.trim_start_matches("sha256:"))],
                    ..Component::new(Kind::Container, crate::build::TOOLCHAIN)
                },
            ],
        },
        component: Component {
            bom_ref: Some(ROOT.to_owned()),
            version: Some(materials.version.to_owned()),
            licenses: vec![Licence::Expression(OWN_LICENCE.to_owned())],
            properties: vec![property("dynlab:target", materials.target)],
            ..Component::new(Kind::Application, ROOT)
        },
    }
}

fn components(materials: &Materials<'_>) -> Result<Vec<Component>> {
    let mut components = Vec::new();
    for product in &materials.files {
        components.push(Component {
            bom_ref: Some(product_ref(product)),
            version: Some(materials.version.to_owned()),
            hashes: vec![Hash::sha256(product.sha256)],
            licenses: vec![Licence::Expression(OWN_LICENCE.to_owned())],
            ..Component::new(if product.is_program { Kind::Application } else { Kind::Library }, product.path)
        });
    }
    for (id, facts) in &materials.crates {
        let licence = match (&facts.licence, facts.linked.is_ours) {
            (_, true) => Licence::Expression(OWN_LICENCE.to_owned()),
            (Some(licence), false) => Licence::Expression(expression(licence)),
            (None, false) => {
                Licence::License(NamedLicence { name: "see its texts in THIRD-PARTY".to_owned() })
            }
        };
        if facts.checksum.is_none() && !facts.linked.is_ours {
            bail!("crate {id} has no checksum in Cargo.lock; take it from a registry");
        }
        components.push(Component {
            bom_ref: Some(crate_ref(id, facts)),
            version: Some(id.version.clone()),
            hashes: facts.checksum.iter().map(|checksum| Hash::sha256(checksum)).collect(),
            licenses: vec![licence],
            // No registry has ours.
            purl: (!facts.linked.is_ours).then(|| cargo_purl(id)),
            ..Component::new(Kind::Library, &id.name)
        });
    }
    components.extend(materials.parts.iter().map(Part::component));
    Ok(components)
}

fn dependencies(materials: &Materials<'_>) -> Result<Vec<Dependency>> {
    let reference = |id: &CrateId| {
        let facts = materials.crates.get(id);
        let facts =
            facts.with_context(|| format!("crate {id} is linked and not in the bill of materials"))?;
        Ok(crate_ref(id, facts))
    };
    let mut all = vec![Dependency {
        reference: ROOT.to_owned(),
        depends_on: materials.files.iter().map(product_ref).collect(),
    }];
    for product in &materials.files {
        let mut depends_on: Vec<String> = product.root.into_iter().map(reference).collect::<Result<_>>()?;
        let parts = materials.parts.iter().filter(|part| product.root.is_some() || !part.is_of_rust);
        depends_on.extend(parts.map(Part::reference));
        all.push(Dependency { reference: product_ref(product), depends_on });
    }
    for (id, facts) in &materials.crates {
        let depends_on = facts.linked.links.iter().map(reference).collect::<Result<_>>()?;
        all.push(Dependency { reference: crate_ref(id, facts), depends_on });
    }
    let alone = |part: &Part| Dependency { reference: part.reference(), depends_on: Vec::new() };
    all.extend(materials.parts.iter().map(alone));
    Ok(all)
}

fn product_ref(product: &Product<'_>) -> String {
    format!("file:{}", product.path)
}

fn crate_ref(id: &CrateId, facts: &CrateFacts) -> String {
    if facts.linked.is_ours { format!("crate:{}@{}", id.name, id.version) } else { cargo_purl(id) }
}

/// Source: the purl specification, type `cargo`.
fn cargo_purl(id: &CrateId) -> String {
    format!("pkg:cargo/{}@{}", id.name, percent_encoded(&id.version))
}

/// A version as purls have it. Only `+` and `:` of what versions consist of have to be encoded.
pub(super) fn percent_encoded(version: &str) -> String {
    version.replace('+', "%2B").replace(':', "%3A")
}

/// What a manifest says as an SPDX expression: older ones separate what one may choose from by a slash.
fn expression(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

/// The first half of a SHA-256 as a UUID of version 8.
fn uuid_of(sha256: &str) -> String {
    let variant = match sha256.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    format!(
        "urn:uuid:{}-{}-8{}-{variant}{}-{}",
        &sha256[..8],
        &sha256[8..12],
        &sha256[13..16],
        &sha256[17..20],
        &sha256[20..32]
    )
}

#[cfg(test)]
#[path = "bill_tests.rs"]
mod tests;
