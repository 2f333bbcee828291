//! The files of the galleries, and where each of them is opened.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use plugin_compat::Linkage;
use serde::Deserialize;

use crate::build::sha256;
use crate::ground::Ground;
use crate::images;
use crate::inspect::hosts::{self, Place};
use crate::inspect::subject::Subject;
use crate::lab::Arch;

const KINDS: &str = "containers/gallery/kinds.toml";
/// What the names of the images begin with.
pub(super) const PREFIX: &str = "gallery-";

/// A file of a gallery. Files of one content are one.
pub(super) struct Exhibit {
    /// Called `GALLERY/PATH`.
    pub(super) subject: Subject,
    /// What opens such files.
    pub(super) kind: String,
    /// The image that it lies in.
    pub(super) gallery: String,
    /// The architecture of that.
    arch: Arch,
}

/// A host with the files that are opened there, by their places in the list of all.
pub(super) struct Stand {
    pub(super) place: Place,
    pub(super) shows: Vec<usize>,
}

/// A kind of modules.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) name: String,
    /// Patterns of paths.
    files: Vec<String>,
    /// What opens them in earnest, the first that there is.
    #[serde(default)]
    program: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    kind: Vec<Kind>,
}

pub(super) fn kinds(repository: &Path) -> Result<Vec<Kind>> {
    let text = fs::read_to_string(repository.join(KINDS)).with_context(|| format!("cannot read {KINDS}"))?;
    Ok(toml::from_str::<Kinds>(&text).context(KINDS)?.kind)
}

/// The kind of a file by its path in the image, without a leading slash.
pub(super) fn kind_of<'a>(path: &str, kinds: &'a [Kind]) -> Option<&'a Kind> {
    kinds.iter().find(|kind| images::any_matches(&kind.files, path))
}

/// Reads every module of every gallery, sorted by gallery and path.
pub(super) fn collect(ground: &Ground) -> Result<Vec<Exhibit>> {
    let kinds = kinds(&ground.repository)?;
    let mut exhibits = Vec::new();
    let mut known = BTreeSet::new();
    for gallery in names(ground)? {
        let image = ground.image(&gallery)?;
        let rootfs = image.rootfs.canonicalize()?;
        let mut paths = Vec::new();
        files_below(&rootfs, &rootfs, &mut paths)?;
        paths.sort();
        for path in paths {
            let Some(kind) = kind_of(&path, &kinds) else { continue };
            let file = rootfs.join(&path);
            let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            if !known.insert(sha256(&bytes)) {
                continue;
            }
            let subject = Subject::of(format!("{gallery}/{path}"), file, &bytes);
            let level = subject.facts.as_ref().ok().and_then(|facts| facts.traits.x86_64_level);
            ensure!(
                level.is_none_or(|level| level <= 1),
                "{} is marked for newer processors, so what becomes of it is up to the machine that measures; leave its package out of the galleries",
                subject.name
            );
            if subject.facts.as_ref().is_ok_and(|facts| facts.linkage == Linkage::SharedLibrary) {
                exhibits.push(Exhibit {
                    subject,
                    kind: kind.name.clone(),
                    gallery: gallery.clone(),
                    arch: image.arch,
                });
            }
        }
    }
    ensure!(!exhibits.is_empty(), "no image is called {PREFIX}…, or none has modules of {KINDS}");
    Ok(exhibits)
}

/// The galleries' names, sorted.
pub(super) fn names(ground: &Ground) -> Result<Vec<String>> {
    let names = images::locked_digests(&ground.images)?.into_keys();
    Ok(names.filter(|name| name.starts_with(PREFIX)).collect())
}

/// All hosts of the lab with all files; each gallery with the files of its architecture, whatever the suite; and once more, with its own files of a
/// kind, in each program that it has for such.
pub(super) fn stands(exhibits: &[Exhibit], ground: &Ground) -> Result<Vec<Stand>> {
    let mut stands = Vec::new();
    for place in hosts::of_lab(ground)? {
        stands.push(Stand { place, shows: (0..exhibits.len()).collect() });
    }
    let kinds = kinds(&ground.repository)?;
    for gallery in names(ground)? {
        let place = hosts::of_image(&gallery, ground)?;
        let showing = |is_shown: &dyn Fn(&Exhibit) -> bool| -> Vec<usize> {
            (0..exhibits.len()).filter(|at| is_shown(&exhibits[*at])).collect()
        };
        let mut with_programs = Vec::new();
        for kind in &kinds {
            let has = |program: &&String| place.image.rootfs.join(program).exists();
            let Some(program) = kind.program.iter().find(has) else { continue };
            let shows = showing(&|exhibit| exhibit.gallery == gallery && exhibit.kind == kind.name);
            if shows.is_empty() {
                continue;
            }
            let name = program.rsplit('/').next().unwrap_or(program);
            let place = hosts::with_program(&place, &format!("{gallery}+{name}"), program, ground)?;
            with_programs.push(Stand { place, shows });
        }
        let arch = place.image.arch;
        stands.push(Stand { shows: showing(&|exhibit| exhibit.arch == arch), place });
        stands.extend(with_programs);
    }
    Ok(stands)
}

/// The paths of all files below `folder`, from `root` on; links are not followed.
fn files_below(root: &Path, folder: &Path, paths: &mut Vec<String>) -> Result<()> {
    let explain = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(explain)? {
        let entry = entry.with_context(explain)?;
        let kind = entry.file_type().with_context(explain)?;
        let path = entry.path();
        if kind.is_dir() {
            files_below(root, &path, paths)?;
        } else if kind.is_file()
            && let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str)
        {
            paths.push(path.to_owned());
        }
    }
    Ok(())
}
