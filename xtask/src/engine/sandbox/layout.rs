//! Which parts of an image are shown as they are, and which folders are rebuilt to make room for mount points.
//!
//! The image is never written to. The root of a sandbox is a small tmpfs into which every top-level entry of the image
//! is bound. A mount point that the image does not have needs its parent folder rebuilt in the same way, one level
//! deeper; as mount points usually lie right under the root, that is rare.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Folders that a sandbox makes itself, whatever the image has there.
pub(super) const OWN_FOLDERS: [&str; 3] = ["/dev", "/proc", "/tmp"];

/// The number of symbolic links in one path that is still believed, as in the kernel (path_resolution(7)).
const LINKS_LIMIT: usize = 40;

/// One step towards the root of the sandbox. Paths are absolute inside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make an empty folder.
    Folder(PathBuf),
    /// Make a symbolic link like the image's.
    Link { at: PathBuf, to: PathBuf },
    /// Bind the image's folder of this path.
    BindFolder(PathBuf),
    /// Bind the image's file of this path.
    BindFile(PathBuf),
}

/// The steps that show `image` with room for mounts at `targets`, which are absolute and resolved.
pub(super) fn plan(image: &Path, targets: &[PathBuf]) -> Result<Vec<Step>> {
    let mut occupied: Vec<&Path> = OWN_FOLDERS.iter().map(Path::new).collect();
    occupied.extend(targets.iter().map(PathBuf::as_path));
    let mut steps = Vec::new();
    show(image, Path::new("/"), &occupied, &mut steps)?;
    Ok(steps)
}

/// `target` with the image's symbolic links followed, so that `/bin/tool` is found to lie in `/usr/bin`.
pub(super) fn resolve(image: &Path, target: &str) -> Result<PathBuf> {
    ensure!(target.starts_with('/'), "mount target {target:?} must be an absolute path");
    let mut pending: Vec<_> = components(Path::new(target)).rev().collect();
    let mut resolved = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if name == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&name);
        match fs::read_link(inside(image, &next)) {
            Ok(to) => {
                links += 1;
                ensure!(links <= LINKS_LIMIT, "mount target {target} runs in a circle of symbolic links");
                if to.is_absolute() {
                    resolved = PathBuf::from("/");
                }
                pending.extend(components(&to).rev());
            }
            Err(_) => resolved = next,
        }
    }
    ensure!(resolved != Path::new("/"), "mount target {target} is the root itself");
    Ok(resolved)
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = std::ffi::OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
}

/// The place of the absolute path `path` of the sandbox in the image.
pub(super) fn inside(image: &Path, path: &Path) -> PathBuf {
    image.join(path.strip_prefix("/").unwrap_or(path))
}

fn show(image: &Path, folder: &Path, occupied: &[&Path], steps: &mut Vec<Step>) -> Result<()> {
    let real = inside(image, folder);
    let listed = || format!("cannot list {} of the image", folder.display());
    let mut entries: Vec<_> =
        fs::read_dir(&real).and_then(|entries| entries.collect::<io::Result<_>>()).with_context(listed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let kind = entry.file_type().with_context(listed)?;
        if occupied.contains(&path.as_path()) {
            continue;
        }
        if kind.is_symlink() {
            steps.push(Step::Link { to: fs::read_link(entry.path()).with_context(listed)?, at: path });
        } else if kind.is_dir() && lacks_mount_point(image, &path, occupied) {
            steps.push(Step::Folder(path.clone()));
            show(image, &path, occupied, steps)?;
        } else if kind.is_dir() {
            steps.push(Step::BindFolder(path));
        } else if kind.is_file() {
            steps.push(Step::BindFile(path));
        }
    }
    Ok(())
}

fn lacks_mount_point(image: &Path, folder: &Path, occupied: &[&Path]) -> bool {
    occupied.iter().any(|target| target.starts_with(folder) && !inside(image, target).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn image() -> tempfile::TempDir {
        let image = tempfile::tempdir().unwrap();
        let root = image.path();
        for folder in ["usr/bin", "usr/lib", "tmp", "etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("usr/bin/tool"), "").unwrap();
        fs::write(root.join("README"), "").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("/etc/../bin", root.join("usr/sbin")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        image
    }

    fn plan_for(targets: &[&str]) -> Vec<String> {
        let image = image();
        let targets: Vec<_> = targets.iter().map(|target| resolve(image.path(), target).unwrap()).collect();
        let steps = plan(image.path(), &targets).unwrap();
        let shown = |step: &Step| match step {
            Step::Folder(path) => format!("folder {}", path.display()),
            Step::Link { at, .. } => format!("link {}", at.display()),
            Step::BindFolder(path) | Step::BindFile(path) => format!("bind {}", path.display()),
        };
        steps.iter().map(shown).filter(|step| step != "link /loop").collect()
    }

    #[test]
    fn top_level_entries_are_bound_whole() {
        let whole = ["bind /README", "link /bin", "bind /etc", "bind /usr"];
        assert_eq!(plan_for(&[]), whole);
        assert_eq!(plan_for(&["/src", "/out/deep"]), whole, "new folders of the root need no room");
        assert_eq!(plan_for(&["/usr/bin/tool", "/bin/tool"]), whole, "existing mount points need no room");
    }

    #[test]
    fn a_folder_without_the_mount_point_is_rebuilt() {
        let rebuilt = [
            "bind /README",
            "link /bin",
            "bind /etc",
            "folder /usr",
            "folder /usr/bin",
            "bind /usr/bin/tool",
            "bind /usr/lib",
            "link /usr/sbin",
        ];
        assert_eq!(plan_for(&["/usr/bin/new"]), rebuilt);
        assert_eq!(plan_for(&["/usr/sbin/new"]), rebuilt, "links are followed");
    }

    #[test]
    fn wrong_targets_are_refused() {
        let image = image();
        for (target, words) in
            [("src", "absolute"), ("/", "root itself"), ("/loop/x", "circle"), ("/..", "root")]
        {
            let error = resolve(image.path(), target).unwrap_err().to_string();
            assert!(error.contains(words), "{target}: {error}");
        }
    }
}
