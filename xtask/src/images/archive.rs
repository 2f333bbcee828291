//! The docker-archive of an image, written from its unpacked files and the account of its layers.
//!
//! Source: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::json;

use super::config::digest_of;
use super::layer::{Layer, write_tar};
use super::unpack::MODIFIED;
use crate::image::Image;

const BLOCK: usize = 512;

/// Writes the archive that `docker load` and `podman load` read. The image they make of it has the ID
/// [`Image::digest`].
pub(crate) fn write_archive(image: &Image, into: &mut dyn Write) -> Result<()> {
    let folder = image.rootfs.parent().context("a root file system has a folder")?;
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let config = read("config.json")?;
    let layers: Vec<Layer> = serde_json::from_slice(&read("layers.json")?)?;
    anyhow::ensure!(digest_of(&config) == image.digest, "{} was changed after it was made", folder.display());
    let layer_name = |layer: &Layer| format!("{}/layer.tar", layer.diff_id);
    let config_name = format!("{}.json", image.digest.trim_start_matches("sha256:"));
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": null,
        "Layers": layers.iter().map(layer_name).collect::<Vec<_>>(),
    }]);
    append(into, "manifest.json", &serde_json::to_vec(&manifest)?)?;
    append(into, &config_name, &config)?;
    for layer in &layers {
        append_header(into, &layer_name(layer), layer.size)?;
        write_tar(&image.rootfs, &layer.tree, into)?;
        pad(into, layer.size)?;
    }
    // A tar ends with two empty blocks.
    into.write_all(&[0; 2 * BLOCK])?;
    into.flush()?;
    Ok(())
}

fn append(into: &mut dyn Write, name: &str, content: &[u8]) -> Result<()> {
    append_header(into, name, content.len() as u64)?;
    into.write_all(content)?;
    pad(into, content.len() as u64)
}

fn append_header(into: &mut dyn Write, name: &str, size: u64) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MODIFIED);
    header.set_size(size);
    header.set_cksum();
    into.write_all(header.as_bytes())?;
    Ok(())
}

fn pad(into: &mut dyn Write, size: u64) -> Result<()> {
    let beyond = usize::try_from(size % BLOCK as u64)?;
    into.write_all(&[0; BLOCK][..(BLOCK - beyond) % BLOCK])?;
    Ok(())
}
