//! The docker-archive of an image, written from its unpacked files and the account of its layers.
//!
//! Source: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Options;
use super::config::digest_of;
use super::digest::HashingWriter;
use super::ensure::ensure as ensure_image;
use super::layer::{Layer, write_tar};
use super::unpack::MODIFIED;
use crate::image::Image;

const BLOCK: usize = 512;

/// Makes the image and writes its archive to `file`, which is complete or absent afterwards.
pub(crate) fn export(options: &Options, name: &str, file: &Path) -> Result<()> {
    let image = ensure_image(options, name)?;
    write_file(&image, &[], file)?;
    println!("{} {} {}", tag(&image), image.digest, file.display());
    Ok(())
}

/// Writes the archive of an image to `file`, which is complete or absent afterwards. Engines know the image by `tags`, too.
pub(crate) fn write_file(image: &Image, tags: &[&str], file: &Path) -> Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let staged = tempfile::Builder::new().prefix(".staged-").tempfile_in(folder);
    let mut staged = staged.with_context(|| format!("cannot write to {}", folder.display()))?;
    let mut writer = BufWriter::with_capacity(1 << 17, staged.as_file_mut());
    write_tagged(image, tags, &mut writer).with_context(|| format!("cannot write {}", file.display()))?;
    drop(writer);
    staged.as_file().set_permissions(Permissions::from_mode(0o644))?;
    staged.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// Writes the archive that `docker load` and `podman load` read. The image they make of it has the ID
/// [`Image::digest`] and, once it is published, the tag `dynlab/NAME:DIGEST`, with the digest cut short.
pub(crate) fn write_archive(image: &Image, into: &mut dyn Write) -> Result<()> {
    write_tagged(image, &[], into)
}

fn write_tagged(image: &Image, tags: &[&str], into: &mut dyn Write) -> Result<()> {
    let folder = image.rootfs.parent().context("a root file system has a folder")?;
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let config = read("config.json")?;
    let layers: Vec<Layer> = serde_json::from_slice(&read("layers.json")?)?;
    ensure!(digest_of(&config) == image.digest, "{} was changed after it was made", folder.display());
    let layer_name = |layer: &Layer| format!("{}/layer.tar", layer.diff_id);
    let config_name = format!("{}.json", image.digest.trim_start_matches("sha256:"));
    // The stage that a step runs in is of no use later, and had better be pruned with other nameless images.
    let is_published =
        folder.file_name().is_some_and(|name| image.digest.ends_with(&*name.to_string_lossy()));
    let manifest = json!([{
        "Config": config_name,
        "RepoTags": is_published.then(|| tags.iter().map(|&tag| tag.to_owned()).chain([tag(image)]).collect::<Vec<_>>()),
        "Layers": layers.iter().map(layer_name).collect::<Vec<_>>(),
    }]);
    append(into, "manifest.json", &serde_json::to_vec(&manifest)?)?;
    append(into, &config_name, &config)?;
    for layer in &layers {
        append_header(into, &layer_name(layer), layer.size)?;
        let mut measured = HashingWriter::new(&mut *into);
        write_tar(&image.rootfs, &layer.tree, &mut measured)?;
        let (size, diff_id) = measured.finish();
        ensure!(
            (size, &diff_id) == (layer.size, &layer.diff_id),
            "the files below {} were changed after they were unpacked; remove {} and run the command again",
            image.rootfs.display(),
            folder.display()
        );
        pad(into, layer.size)?;
    }
    // A tar ends with two empty blocks.
    into.write_all(&[0; 2 * BLOCK])?;
    into.flush()?;
    Ok(())
}

/// The name that an engine knows the image by.
pub(crate) fn tag(image: &Image) -> String {
    let digest = image.digest.trim_start_matches("sha256:");
    format!("dynlab/{}:{}", image.name, digest.get(..12).unwrap_or(digest))
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
