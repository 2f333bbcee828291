//! Steps: scripts that run inside the image made so far. What a step writes to `/out` becomes a layer of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::config;
use super::definition::{Definition, Step};
use super::layer::Layer;
use super::store::{Unfinished, remove_tree};
use super::tree::{Entry, Node, Tree};
use super::unpack::{MODIFIED, Unpacker, set_modified};
use crate::engine::{Engine, Exit, Job, Mount};
use crate::image::Image;
use crate::process;

/// Runs the steps of `definition` one after the other and gives what each has added, which is moved below the root.
/// Modes and times of added folders are not set yet.
pub(super) fn run(
    definition: &Definition,
    engine: &dyn Engine,
    unfinished: &Unfinished,
    unpacker: &mut Unpacker,
) -> Result<Vec<Tree>> {
    if definition.steps.is_empty() {
        return Ok(Vec::new());
    }
    let mut added: Vec<Tree> = Vec::new();
    for step in &definition.steps {
        let image = stage(definition, engine, unfinished, unpacker, &added)?;
        let out = unfinished.beside("out")?;
        let scratch = unfinished.beside("scratch")?;
        let scripts = unfinished.beside("steps")?;
        lay_out(definition, step, &scripts)?;
        eprintln!("{}: step {}", definition.name, step.script);
        run_one(definition, step, engine, &image, [&scripts, &scratch, &out])?;
        let tree = take_over(&out, &unfinished.rootfs(), unpacker, &added)
            .with_context(|| format!("image {}: what step {} wrote", definition.name, step.script))?;
        added.push(tree);
        for folder in [out, scratch, scripts] {
            remove_tree(&folder)?;
        }
    }
    Ok(added)
}

/// The image so far, for the engine. Only container engines look at its description.
fn stage(
    definition: &Definition,
    engine: &dyn Engine,
    unfinished: &Unfinished,
    unpacker: &Unpacker,
    added: &[Tree],
) -> Result<Image> {
    let rootfs = unfinished.rootfs();
    let mut digest = String::new();
    if engine.name() != "sandbox" {
        let trees = std::iter::once(unpacker.tree()).chain(added).cloned();
        let made_by = || "stage".to_owned();
        let layers: Vec<Layer> =
            trees.map(|tree| super::layer::measure(&rootfs, tree, made_by())).collect::<Result<_>>()?;
        let config = config::render(definition, &layers, None)?;
        digest = config::digest_of(&config);
        unfinished.describe(&layers, &config)?;
    }
    Ok(Image {
        name: definition.name.clone(),
        arch: definition.arch,
        libc: definition.libc,
        digest,
        rootfs,
        pinned: true,
    })
}

fn lay_out(definition: &Definition, step: &Step, scripts: &Path) -> Result<()> {
    for name in std::iter::once(&step.script).chain(&step.inputs) {
        let source = definition.folder.join(name);
        let content = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let copy = scripts.join(name);
        fs::write(&copy, content)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        set_modified(&copy)?;
    }
    Ok(())
}

fn run_one(
    definition: &Definition,
    step: &Step,
    engine: &dyn Engine,
    image: &Image,
    [scripts, scratch, out]: [&Path; 3],
) -> Result<()> {
    let script = format!("/steps/{}", step.script);
    let mut env: Vec<_> = definition.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    env.push(("HOME".to_owned(), "/scratch".into()));
    env.push(("SOURCE_DATE_EPOCH".to_owned(), MODIFIED.to_string().into()));
    let job = Job {
        env,
        cwd: "/scratch".to_owned(),
        mounts: vec![
            Mount::read_only(scripts, "/steps"),
            Mount::writable(scratch, "/scratch"),
            Mount::writable(out, "/out"),
        ],
        deadline: Duration::from_secs(step.deadline_seconds),
        ..Job::new(image, ["/bin/sh", &script])
    };
    let finished =
        engine.run(&job).with_context(|| format!("image {}: step {}", definition.name, step.script))?;
    let how = match finished.exit {
        Exit::Code(0) => return Ok(()),
        Exit::Code(code) => format!("ended with exit code {code}"),
        Exit::Signal(signal) => format!("was killed by signal {signal}"),
        Exit::DeadlinePassed => format!("was still running after {} s", step.deadline_seconds),
    };
    bail!(
        "image {}: /bin/sh {script} (in /scratch, in engine {}) {how}; the end of its output:\n{}",
        definition.name,
        engine.name(),
        process::tail(&finished.stdout, &finished.stderr)
    )
}

/// Moves everything in `out` below `rootfs` and gives account of it. Nothing that is there may be replaced: a layer
/// that hides parts of another is hard to understand, and the account would no longer be the truth.
fn take_over(out: &Path, rootfs: &Path, unpacker: &mut Unpacker, earlier: &[Tree]) -> Result<Tree> {
    let mut found = Tree::default();
    scan(out, "", &mut found)?;
    let mut added = Tree::default();
    for (path, entry) in found.entries {
        let resolved = unpacker.tree().resolve(&path)?;
        if resolved != path {
            bail!("{path} leads through a link; write to {resolved}");
        }
        let present = unpacker.tree().get(&path).or_else(|| earlier.iter().find_map(|tree| tree.get(&path)));
        let is_folder = entry.node == Node::Folder;
        match present.map(|present| present.node == Node::Folder) {
            Some(true) if is_folder => {
                unpacker.keep(&path);
                continue;
            }
            Some(_) => bail!("{path} is in the image already"),
            None => {}
        }
        let (from, to) = (out.join(&path), rootfs.join(&path));
        if is_folder {
            fs::create_dir(&to).with_context(|| format!("cannot make {}", to.display()))?;
        } else {
            fs::rename(&from, &to)
                .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
            if let Node::File { .. } = entry.node {
                fs::set_permissions(&to, Permissions::from_mode(entry.mode))?;
            }
            set_modified(&to)?;
        }
        added.insert(path, entry);
    }
    Ok(added)
}

/// What a step wrote, with plain modes: whether a file is a program is all that counts.
fn scan(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{name:?} is not UTF-8"))?;
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let metadata = entry.metadata()?;
        let (node, mode) = if metadata.is_dir() {
            scan(&entry.path(), &path, tree)?;
            (Node::Folder, 0o755)
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path())?;
            let target = target.to_str().with_context(|| format!("the target of {path} is not UTF-8"))?;
            (Node::Link { target: target.to_owned() }, 0o777)
        } else if metadata.is_file() {
            let mode = if metadata.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            // Hard links count as separate files, so each gets a content number of its own, which is given below.
            (Node::File { size: metadata.len(), content: 0 }, mode)
        } else {
            bail!("{path} is neither file, folder nor link");
        };
        tree.insert(path, Entry { node, mode, build_only: false });
    }
    if prefix.is_empty() {
        for (number, entry) in (1..).zip(tree.entries.values_mut()) {
            if let Node::File { content, .. } = &mut entry.node {
                *content = number;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::disk::Room;

    fn take_over_all(written: &[(&str, &str)], present: &[&str]) -> Result<Vec<String>> {
        let (out, rootfs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let mut unpacker =
            Unpacker::new(rootfs.path(), Room { folder: rootfs.path().to_path_buf(), needed: 0 });
        unpacker.link("lib", "usr/lib", false)?;
        unpacker.folder("usr/lib", 0o755, true)?;
        for path in present {
            unpacker.file(path, 0o644, false, &mut "old".as_bytes())?;
        }
        for (path, content) in written {
            let path = out.path().join(path);
            fs::create_dir_all(path.parent().context("a file in a folder")?)?;
            fs::write(path, content)?;
        }
        let tree = take_over(out.path(), rootfs.path(), &mut unpacker, &[])?;
        assert!(!unpacker.tree().get("usr/lib").is_some_and(|folder| folder.build_only));
        for path in tree.entries.keys() {
            assert!(rootfs.path().join(path).exists(), "{path}");
        }
        Ok(tree.entries.into_keys().collect())
    }

    #[test]
    fn what_is_written_is_moved_and_folders_that_are_there_are_kept() {
        let paths = take_over_all(&[("usr/lib/rust/a.rlib", "x"), ("usr/lib/b", "y")], &[]).unwrap();
        assert_eq!(paths, ["usr/lib/b", "usr/lib/rust", "usr/lib/rust/a.rlib"]);
    }

    #[test]
    fn nothing_is_replaced_and_links_are_not_written_through() {
        let error = take_over_all(&[("usr/lib/b", "new")], &["usr/lib/b"]).unwrap_err();
        assert!(error.to_string().contains("in the image already"), "{error}");
        let error = take_over_all(&[("lib/b", "new")], &[]).unwrap_err();
        assert!(format!("{error}").contains("in the image already"), "{error}");
    }
}
