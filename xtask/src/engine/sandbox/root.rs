//! The root file system of a sandbox, made inside its own mount namespace by init.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount_change, mount_move, unmount};
use rustix::process::{chdir, pivot_root};

use super::fault::{During, Fault, Step};
use super::layout::{self, OWN_FOLDERS};
use super::mounts::{bind, bind_if_present, fresh, make_mount_point, make_read_only, restrict};
use super::order::Order;
use crate::engine::emulation;

/// Where the machine's root is seen until the sandbox is complete.
const HOST: &str = "/.sandbox-host";
/// Where the image is seen, read-only, until its parts are bound.
const IMAGE: &str = "/.sandbox-image";
/// Where binfmt_misc and the emulator lie until they are in place. Short: the kernel bounds an interpreter's path.
const BINFMT: &str = "/.sandbox-binfmt";
const EMULATOR: &str = "/.qemu";
/// Parts of /proc that root of the machine could write to without any capability.
const PROTECTED: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Leaves the machine's file systems for those that `order` describes. Needs to be process 1 of new namespaces.
pub(super) fn enter(order: &Order) -> Result<(), Fault> {
    enter_empty_root()?;
    let targets = order
        .mounts
        .iter()
        .map(|mount| resolve_target(order.rootfs.as_deref(), &mount.target))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(rootfs) = &order.rootfs {
        show_image(&on_host(rootfs), &targets)?;
    }
    make_own_folders()?;
    if let Some(emulator) = &order.emulator {
        register_emulator(&on_host(emulator))?;
    }
    mount_requested(order, &targets)?;
    for path in PROTECTED.map(Path::new) {
        if bind_if_present(path, path)? {
            make_read_only(path)?;
        }
    }
    leave(HOST)?;
    restrict(Path::new("/dev"), MountFlags::RDONLY)?;
    restrict(Path::new("/"), MountFlags::RDONLY)
}

/// Makes an empty tmpfs the root. It is mounted over `/tmp`, which pivot_root then uncovers again.
fn enter_empty_root() -> Result<(), Fault> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .during(Step::Mounts, || "make the mounts private".into())?;
    fresh("tmpfs", "/tmp", MountFlags::NODEV, c"mode=0755")?;
    let old = Path::new("/tmp").join(HOST.trim_start_matches('/'));
    fs::create_dir(&old).during(Step::Mounts, || "make a folder in the new root".into())?;
    pivot_root("/tmp", &old).during(Step::Mounts, || "change the root".into())?;
    chdir("/").during(Step::Mounts, || "enter the new root".into())
}

fn resolve_target(rootfs: Option<&Path>, target: &str) -> Result<PathBuf, Fault> {
    let image = rootfs.map_or_else(|| PathBuf::from("/nonexistent"), on_host);
    let resolved = layout::resolve(&image, target).map_err(|error| Fault::other(error.to_string()))?;
    if resolved.starts_with("/proc") || resolved == Path::new("/dev") {
        return Err(Fault::other(format!("mount target {target} would cover {}", resolved.display())));
    }
    Ok(resolved)
}

fn show_image(image: &Path, targets: &[PathBuf]) -> Result<(), Fault> {
    let steps = layout::plan(image, targets).map_err(|error| Fault::other(format!("{error:#}")))?;
    let source = Path::new(IMAGE);
    make_mount_point(source, true)?;
    bind(image, source)?;
    // What is bound from here on inherits these flags.
    restrict(source, MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV)?;
    for step in steps {
        match step {
            layout::Step::Folder(path) => make_mount_point(&path, true)?,
            layout::Step::Link { at, to } => {
                symlink(to, &at).during(Step::Other, || format!("link {}", at.display()))?;
            }
            layout::Step::BindFolder(path) => {
                make_mount_point(&path, true)?;
                bind(&layout::inside(source, &path), &path)?;
            }
            layout::Step::BindFile(path) => {
                make_mount_point(&path, false)?;
                bind(&layout::inside(source, &path), &path)?;
            }
        }
    }
    leave(IMAGE)
}

fn make_own_folders() -> Result<(), Fault> {
    for folder in OWN_FOLDERS {
        make_mount_point(Path::new(folder), true)?;
    }
    fresh("proc", "/proc", MountFlags::NODEV | MountFlags::NOEXEC, c"")?;
    fresh("tmpfs", "/tmp", MountFlags::NODEV, c"mode=1777")?;
    fresh("tmpfs", "/dev", MountFlags::NOEXEC, c"mode=0755")?;
    make_mount_point(Path::new("/dev/shm"), true)?;
    fresh("tmpfs", "/dev/shm", MountFlags::NODEV, c"mode=1777")?;
    for device in ["full", "null", "random", "tty", "urandom", "zero"] {
        let device = Path::new("/dev").join(device);
        bind_if_present(&on_host(&device), &device)?;
    }
    for (name, to) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        symlink(Path::new("/proc/self").join(to), Path::new("/dev").join(name))
            .during(Step::Mounts, || format!("link /dev/{name}"))?;
    }
    Ok(())
}

/// Registers the emulator in a binfmt_misc that belongs to this user namespace (Linux 6.7): nobody else sees it.
fn register_emulator(emulator: &Path) -> Result<(), Fault> {
    let step = Step::Emulation;
    make_mount_point(Path::new(BINFMT), true)?;
    rustix::mount::mount("binfmt_misc", BINFMT, "binfmt_misc", MountFlags::NOSUID | MountFlags::NODEV, c"")
        .during(step, || "mount binfmt_misc in a user namespace".into())?;
    make_mount_point(Path::new(EMULATOR), false)?;
    bind(emulator, Path::new(EMULATOR))?;
    fs::write(Path::new(BINFMT).join("register"), emulation::registration(EMULATOR))
        .during(step, || format!("register {}", emulator.display()))?;
    // The kernel has opened the emulator (flag F) and needs its path no more.
    unmount(EMULATOR, UnmountFlags::DETACH).during(step, || "hide the emulator".into())?;
    fs::remove_file(EMULATOR).during(step, || "hide the emulator".into())?;
    mount_move(BINFMT, "/proc/sys/fs/binfmt_misc").during(step, || "move binfmt_misc to its place".into())?;
    fs::remove_dir(BINFMT).during(step, || "remove a mount point".into())
}

fn mount_requested(order: &Order, targets: &[PathBuf]) -> Result<(), Fault> {
    let mut requested: Vec<_> = order.mounts.iter().zip(targets).collect();
    // An outer folder before what lies in it.
    requested.sort_by_key(|(_, target)| target.as_os_str().len());
    for (at, (mount, target)) in requested.iter().enumerate() {
        let around = requested[..at].iter().find(|(_, outer)| target.starts_with(outer));
        if let Some((outer, _)) = around
            && !target.exists()
        {
            return Err(Fault::other(format!(
                "mount target {} lies inside mount {}, and {} has no such entry; create it there first",
                mount.target,
                outer.target,
                outer.source.display()
            )));
        }
        let source = on_host(&mount.source);
        make_mount_point(target, source.is_dir())?;
        bind(&source, target)?;
        restrict(target, MountFlags::NOSUID | MountFlags::NODEV)?;
        if !mount.writable {
            make_read_only(target)?;
        }
    }
    Ok(())
}

fn on_host(path: &Path) -> PathBuf {
    let mut whole = OsStr::new(HOST).to_owned();
    whole.push(path);
    whole.into()
}

fn leave(mount_point: &str) -> Result<(), Fault> {
    unmount(mount_point, UnmountFlags::DETACH).during(Step::Mounts, || format!("leave {mount_point}"))?;
    fs::remove_dir(mount_point).during(Step::Mounts, || format!("remove {mount_point}"))
}
