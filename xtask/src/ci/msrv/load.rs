//! The plugin in a host, loaded by the probe that the matrix uses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{IMAGE, PLUGIN};
use crate::atomic;
use crate::build::{self, Workshop};
use crate::engine::{self, Engine};
use crate::error::Stop;
use crate::ground::Ground;
use crate::lab::{Lab, Meeting, Outcome};
use crate::matrix::{self, Place, Subject};

/// The host that has the C library of [`IMAGE`].
const HOST: &str = "bookworm-x86_64-gnu";

/// Loads the plugin in [`HOST`] with the probe that the matrix uses.
pub(super) fn load(plugin: &Path, ground: &Ground, engine: &dyn Engine, folder: &Path) -> Result<()> {
    let lab = Lab::read(&ground.repository)?;
    let host = *lab.select_hosts(&[HOST.to_owned()])?.0.first().context("a name selects one host")?;
    let target = lab
        .targets
        .iter()
        .find(|target| host.meets(target) == Meeting::Home)
        .with_context(|| format!("no target of lab.toml runs in host {HOST}"))?;
    let toolchain = ground.image(build::TOOLCHAIN)?;
    let dists = build::ensure(&lab, &[target], &Workshop { ground, engine, toolchain: &toolchain })?;
    let dist = dists.first().context("one target has one folder")?;
    let probe = dist
        .manifest
        .find(matrix::PROBE)
        .with_context(|| format!("lab.toml has no program {:?}", matrix::PROBE))?;

    let content = fs::read(plugin).with_context(|| format!("cannot read {}", plugin.display()))?;
    let probe_content = fs::read(probe.path(&dist.folder)).context("cannot read the probe")?;
    // Side by side, because one folder is mounted.
    let (probe_name, plugin_name) = ("probe", "plugin.so");
    atomic::write_with_mode(&folder.join(probe_name), &probe_content, 0o755)?;
    atomic::write(&folder.join(plugin_name), &content)?;
    let place = Place {
        image: &ground.image(&host.name)?,
        probe: probe_name.to_owned(),
        probe_sha256: &probe.sha256,
        emulated: !engine::is_native(host.arch),
    };
    let sha256 = build::sha256(&content);
    let subject = Subject {
        file: plugin_name.to_owned(),
        sha256: &sha256,
        truncate_after_judging: false,
        allow_abort: false,
        settings: String::new(),
        path: None,
        headers: &BTreeMap::new(),
    };
    let answers = matrix::observe(engine, &place, folder, &[subject], &|| ())?;
    let observed = &answers.first().context("one plugin has one answer")?.observed;
    if !observed.judged.loadable || observed.outcome != Outcome::Works {
        let reasons = observed.judged.reasons.iter().map(|reason| reason.text.clone());
        let words: Vec<String> = reasons.chain(observed.message.clone()).collect();
        bail!(Stop::Disagreement(format!(
            "{PLUGIN} built by image {IMAGE} should work in {HOST}, it came to `{:?}` at stage {}: {}",
            observed.outcome,
            observed.stage.as_deref().unwrap_or("none"),
            words.join("; ")
        )));
    }
    Ok(())
}
