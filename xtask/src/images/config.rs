//! The configuration of an image as container engines know it. Its SHA-256 is the image's identity, here and there.
//!
//! Source: Docker Image Specification v1.2, OCI image-spec config.md.

use anyhow::Result;
use serde::Serialize;

use super::definition::{Definition, debian_arch};
use super::digest;
use super::layer::Layer;

const CREATED: &str = "2000-01-01T00:00:00Z";

// Structs and not `json!`, since the order of a map's keys depends on features that other crates may switch on.

#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    config: Runtime,
    created: &'a str,
    history: Vec<History<'a>>,
    os: &'a str,
    rootfs: RootFs,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Runtime {
    env: Vec<String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}

#[derive(Serialize)]
struct RootFs {
    diff_ids: Vec<String>,
    r#type: &'static str,
}

/// The bytes of the configuration.
pub(super) fn render(definition: &Definition, layers: &[Layer]) -> Result<Vec<u8>> {
    let env = definition.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let history =
        layers.iter().map(|layer| History { created: CREATED, created_by: &layer.made_by }).collect();
    let diff_ids = layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
    let config = Config {
        architecture: debian_arch(definition.arch),
        config: Runtime { env },
        created: CREATED,
        history,
        os: "linux",
        rootfs: RootFs { diff_ids, r#type: "layers" },
    };
    Ok(serde_json::to_vec(&config)?)
}

/// `sha256:<hex>` of a configuration.
pub(super) fn digest_of(config: &[u8]) -> String {
    format!("sha256:{}", digest::of_bytes(config))
}
