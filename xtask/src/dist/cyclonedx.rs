//! The part of CycloneDX 1.6 that bills of materials here are made of.
//!
//! Source: ECMA-424, first edition, and the schema `bom-1.6.schema.json` that belongs to it, which `cargo xtask ci dist` checks
//! them against. Written by hand, as of the crates that know the format one stops at 1.5 and brings an XML reader, and the other
//! generates all of it when it is compiled.

use serde::Serialize;

/// A bill of materials.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    /// A UUID; absent only while it is computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial_number: Option<String>,
    /// Of this bill, counted from 1.
    version: u32,
    pub(super) metadata: Metadata,
    pub(super) components: Vec<Component>,
    pub(super) dependencies: Vec<Dependency>,
}

impl Bom {
    /// A bill without a serial number.
    pub(super) fn new(metadata: Metadata, components: Vec<Component>, dependencies: Vec<Dependency>) -> Bom {
        Bom {
            schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
            bom_format: "CycloneDX",
            spec_version: "1.6",
            serial_number: None,
            version: 1,
            metadata,
            components,
            dependencies,
        }
    }
}

/// What the bill is of and what made it. There is no time in it: the same sources give the same bill.
#[derive(Debug, Serialize)]
pub(super) struct Metadata {
    pub(super) lifecycles: [Lifecycle; 1],
    pub(super) tools: Tools,
    pub(super) component: Component,
}

/// When in its life the product was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Lifecycle {
    pub(super) phase: &'static str,
}

/// What made the product and the bill.
#[derive(Debug, Serialize)]
pub(super) struct Tools {
    pub(super) components: Vec<Component>,
}

/// A thing that something is made of.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// Unique in the bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bom_ref: Option<String>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<Licence>,
    /// Package URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property>,
}

impl Component {
    /// One of which no more is known.
    pub(super) fn new(kind: Kind, name: &str) -> Component {
        Component {
            kind,
            bom_ref: None,
            name: name.to_owned(),
            version: None,
            description: None,
            hashes: Vec::new(),
            licenses: Vec::new(),
            purl: None,
            properties: Vec::new(),
        }
    }
}

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A program, or all of them together.
    Application,
    /// An image.
    Container,
    /// What is linked or loaded.
    Library,
}

/// A digest of a component's file.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Hash {
    alg: &'static str,
    content: String,
}

impl Hash {
    /// Given in hexadecimal.
    pub(super) fn sha256(content: &str) -> Hash {
        Hash { alg: "SHA-256", content: content.to_owned() }
    }
}

/// What a component may be used under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Licence {
    /// An SPDX expression; the only one of its component.
    Expression(String),
    /// A licence that has no identifier.
    License(NamedLicence),
}

/// A licence by a name for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct NamedLicence {
    pub(super) name: String,
}

/// What the format has no field for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// What a component is made of, by reference.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    pub(super) depends_on: Vec<String>,
}
