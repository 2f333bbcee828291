//! The configuration of an image as container engines know it. Its SHA-256 is the image's identity, here and there.
//!
//! Source: Docker Image Specification v1.2, OCI image-spec config.md.

use std::collections::BTreeMap;

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
    config: Runtime<'a>,
    created: &'a str,
    history: Vec<History<'a>>,
    os: &'a str,
    rootfs: RootFs,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Runtime<'a> {
    env: Vec<String>,
    #[serde(flatten)]
    start: Option<&'a Start>,
}

/// How an engine starts a container of the image when it is told nothing else.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Start {
    /// The program and its first arguments.
    pub(crate) entrypoint: Vec<String>,
    /// Ports that it listens on, as `80/tcp`.
    pub(crate) exposed_ports: BTreeMap<String, Nothing>,
    /// How the engine finds out whether it is well.
    pub(crate) healthcheck: Healthcheck,
    /// What it is and where it comes from (OCI image-spec annotations.md).
    pub(crate) labels: BTreeMap<String, String>,
    /// The signal that has it end.
    pub(crate) stop_signal: String,
    /// Folders that outlive a container.
    pub(crate) volumes: BTreeMap<String, Nothing>,
}

/// The value of a map that is a set in all but form.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Nothing {}

/// Durations are nanoseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Healthcheck {
    /// `CMD` and the program with its arguments.
    pub(crate) test: Vec<String>,
    /// Between two of them.
    pub(crate) interval: u64,
    /// After which one has failed.
    pub(crate) timeout: u64,
    /// In which a failure does not count.
    pub(crate) start_period: u64,
    /// Failures in a row that make it ill.
    pub(crate) retries: u32,
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
pub(super) fn render(definition: &Definition, layers: &[Layer], start: Option<&Start>) -> Result<Vec<u8>> {
    let env = definition.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let history =
        layers.iter().map(|layer| History { created: CREATED, created_by: &layer.made_by }).collect();
    let diff_ids = layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
    let config = Config {
        architecture: debian_arch(definition.arch),
        config: Runtime { env, start },
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
