//! New namespaces, the IDs inside them, and why a machine may forbid them.

use std::fs;

use anyhow::{Context, Result};
use rustix::process::geteuid;
use rustix::thread::UnshareFlags;

use super::fault::{During, Fault, Step};
use crate::engine::Unavailable;

/// Moves this process into new user, mount, network, IPC and host name namespaces, and its children into a new process
/// namespace.
pub(super) fn enter() -> Result<(), Fault> {
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    #[expect(
        deprecated,
        reason = "only CLONE_FILES makes it unsafe, its successor is an unsafe function for that flag"
    )]
    let entered = rustix::thread::unshare(namespaces);
    entered.during(Step::Namespaces, || "make namespaces".into())
}

/// Makes an ordinary user root of the user namespace that this process has just entered.
pub(super) fn map_own_id(uid: u32, gid: u32) -> Result<(), Fault> {
    let write =
        |file: &str, text: String| fs::write(file, text).during(Step::Namespaces, || format!("write {file}"));
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Gives the user namespace of process `pid` the same IDs as this process has.
///
/// Only root may, and only from outside. Without it, root in the sandbox could not pass through a folder that some
/// user keeps to himself, such as his home.
pub(super) fn map_all_ids(pid: u32) -> Result<()> {
    for file in ["uid_map", "gid_map"] {
        let own = format!("/proc/self/{file}");
        let map = fs::read_to_string(&own).with_context(|| format!("cannot read {own}"))?;
        let theirs = format!("/proc/{pid}/{file}");
        fs::write(&theirs, identity(&map)).with_context(|| format!("cannot write {theirs}"))?;
    }
    Ok(())
}

/// Each range of `map` (inside, outside, length) mapped to itself, as a child namespace sees it.
fn identity(map: &str) -> String {
    let mut lines = String::new();
    for line in map.lines() {
        let mut words = line.split_whitespace();
        if let (Some(inside), Some(_outside), Some(length)) = (words.next(), words.next(), words.next()) {
            lines.push_str(&format!("{inside} {inside} {length}\n"));
        }
    }
    lines
}

/// Whether this process is root in its user namespace.
pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// The sentence for a machine on which `fault` stopped a sandbox.
pub(super) fn unavailable(fault: &Fault) -> Unavailable {
    let settings = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok();
    match fault.step {
        Step::Namespaces => why_no_namespaces(fault, is_root(), settings),
        Step::Proc => Unavailable {
            reason: format!(
                "the sandbox may not mount /proc ({fault}), as in a container whose /proc is masked"
            ),
            cure: "run outside of the container, or start it with `--security-opt systempaths=unconfined`, \
                   or use `--engine docker`"
                .into(),
        },
        Step::Mounts | Step::Emulation | Step::Other => Unavailable {
            reason: format!("the sandbox does not work here ({fault})"),
            cure: "`cargo xtask doctor` shows what is missing; or use `--engine docker` or `--engine podman`"
                .into(),
        },
    }
}

/// Reads the settings that can forbid user namespaces, in the order in which the kernel and distributions apply them.
fn why_no_namespaces(fault: &Fault, root: bool, setting: impl Fn(&str) -> Option<String>) -> Unavailable {
    let is = |name: &str, value: &str| setting(name).is_some_and(|text| text.trim() == value);
    let refused = |reason: &str, cure: &str| Unavailable {
        reason: format!("user namespaces are not allowed here: {reason} ({fault})"),
        cure: format!("{cure}, or use `--engine docker` or `--engine podman`"),
    };
    if is("user/max_user_namespaces", "0") {
        return refused(
            "user.max_user_namespaces is 0",
            "as root: `sysctl -w user.max_user_namespaces=10000`",
        );
    }
    if !root && is("kernel/unprivileged_userns_clone", "0") {
        return refused(
            "kernel.unprivileged_userns_clone is 0",
            "as root: `sysctl -w kernel.unprivileged_userns_clone=1`",
        );
    }
    if !root && is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return refused(
            "AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "as root: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
        );
    }
    refused(
        "the kernel refuses and no known setting explains it, as under a container's seccomp filter",
        "run outside of the container, or start it with `--security-opt seccomp=unconfined`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_mapped_to_themselves() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
    }

    #[test]
    fn each_setting_is_named_with_its_cure() {
        let fault = Fault { step: Step::Namespaces, text: "cannot make namespaces: EPERM".into() };
        let cases = [
            (true, "user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces="),
            (
                false,
                "kernel/unprivileged_userns_clone",
                "0\n",
                "sysctl -w kernel.unprivileged_userns_clone=1",
            ),
            (true, "kernel/unprivileged_userns_clone", "0\n", "seccomp=unconfined"),
            (
                false,
                "kernel/apparmor_restrict_unprivileged_userns",
                "1\n",
                "apparmor_restrict_unprivileged_userns=0",
            ),
            (false, "none", "", "seccomp=unconfined"),
        ];
        for (root, name, value, cure) in cases {
            let sentence = why_no_namespaces(&fault, root, |asked| (asked == name).then(|| value.to_owned()))
                .to_string();
            assert!(sentence.contains(cure), "{name}: {sentence}");
            assert!(sentence.contains("EPERM"), "{sentence}");
        }
    }
}
