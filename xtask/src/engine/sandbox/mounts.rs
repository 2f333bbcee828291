//! The few kinds of mount that a sandbox is made of.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind_recursive, mount_remount};

use super::fault::{During, Fault, Step};

/// Mounts a new file system of `kind` at `target`.
pub(super) fn fresh(kind: &str, target: &str, flags: MountFlags, options: &CStr) -> Result<(), Fault> {
    let step = if kind == "proc" { Step::Proc } else { Step::Mounts };
    mount(kind, target, kind, flags | MountFlags::NOSUID, options)
        .during(step, || format!("mount {kind} at {target}"))
}

/// Shows `source` at `target`, which must exist. Mounts below the source come along: where they were made by somebody
/// else, the kernel refuses to leave them out.
pub(super) fn bind(source: &Path, target: &Path) -> Result<(), Fault> {
    mount_bind_recursive(source, target)
        .during(Step::Mounts, || format!("bind {} to {}", source.display(), target.display()))
}

/// Makes the mount at `target` read-only, and those below it.
pub(super) fn make_read_only(target: &Path) -> Result<(), Fault> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for below in mount_points(&table).into_iter().filter(|point| point.starts_with(target) && point != target)
    {
        restrict(&below, MountFlags::RDONLY)?;
    }
    restrict(target, MountFlags::RDONLY)
}

/// Adds `flags` to those that the mount at `target` has; a user namespace may not take any away.
pub(super) fn restrict(target: &Path, flags: MountFlags) -> Result<(), Fault> {
    let present =
        statvfs(target).during(Step::Mounts, || format!("read the flags of {}", target.display()))?.f_flag;
    mount_remount(target, MountFlags::BIND | flags | kept(present), c"")
        .during(Step::Mounts, || format!("remount {} with {flags:?}", target.display()))
}

/// Makes an empty file or folder to mount on, unless there is one.
pub(super) fn make_mount_point(target: &Path, folder: bool) -> Result<(), Fault> {
    if target.symlink_metadata().is_ok() {
        return Ok(());
    }
    let made = if folder {
        fs::create_dir_all(target)
    } else {
        target.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(target).map(drop))
    };
    made.during(Step::Other, || format!("make the mount point {}", target.display()))
}

/// Like [`bind`] for what some kernels do not have; `false` if it is not there.
pub(super) fn bind_if_present(source: &Path, target: &Path) -> Result<bool, Fault> {
    if !source.exists() {
        return Ok(false);
    }
    make_mount_point(target, source.is_dir())?;
    match mount_bind_recursive(source, target) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error).during(Step::Mounts, || format!("bind {}", source.display())),
    }
}

fn kept(present: StatVfsMountFlags) -> MountFlags {
    let pairs = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    pairs.into_iter().filter(|(flag, _)| present.contains(*flag)).map(|(_, flag)| flag).collect()
}

/// The mount points of a `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): its fifth field, with octal escapes.
fn mount_points(table: &str) -> Vec<PathBuf> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect()
}

fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let code =
            tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        let table = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n\
                     37 36 0:5 / /a\\040b\\134c ro - tmpfs tmpfs rw\n";
        assert_eq!(mount_points(table), [PathBuf::from("/mnt2"), PathBuf::from("/a b\\c")]);
    }
}
