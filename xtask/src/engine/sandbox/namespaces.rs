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
    explain(fault, is_root(), |name| fs::read_to_string(format!("/proc/sys/{name}")).ok())
}

fn explain(fault: &Fault, root: bool, setting: impl Fn(&str) -> Option<String>) -> Unavailable {
    let refused = |reason: &str, cure: &str| Unavailable {
        reason: format!("{reason} ({fault})"),
        cure: format!("{cure}, or use `--engine docker` or `--engine podman`"),
    };
    // AppArmor lets the namespaces be made and then forbids to mount in them.
    if matches!(fault.step, Step::Namespaces | Step::Mounts)
        && let Some((reason, cure)) = forbidding_setting(root, setting)
    {
        return refused(
            &format!("user namespaces are not allowed here: {reason}"),
            &format!("as root: `sysctl -w {cure}`"),
        );
    }
    match fault.step {
        Step::Namespaces => refused(
            "user namespaces are not allowed here, and no known setting says so, as under a container's seccomp filter",
            "run outside of the container, or start it with `--security-opt seccomp=unconfined`",
        ),
        Step::Proc => refused(
            "the sandbox may not mount /proc, as in a container whose own /proc is masked",
            "run outside of the container, or start it with `--security-opt systempaths=unconfined`",
        ),
        Step::Mounts | Step::Emulation | Step::Other => {
            refused("the sandbox does not work here", "run `cargo xtask doctor` for the whole picture")
        }
    }
}

/// A setting that forbids user namespaces, and the assignment that allows them, in the order in which the kernel and
/// distributions apply them.
fn forbidding_setting(
    root: bool,
    setting: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, &'static str)> {
    let is = |name: &str, value: &str| setting(name).is_some_and(|text| text.trim() == value);
    if is("user/max_user_namespaces", "0") {
        return Some(("user.max_user_namespaces is 0", "user.max_user_namespaces=10000"));
    }
    if !root && is("kernel/unprivileged_userns_clone", "0") {
        return Some(("kernel.unprivileged_userns_clone is 0", "kernel.unprivileged_userns_clone=1"));
    }
    if !root && is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return Some((
            "AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ));
    }
    None
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
        let apparmor = "kernel/apparmor_restrict_unprivileged_userns";
        let cases = [
            (
                Step::Namespaces,
                true,
                "user/max_user_namespaces",
                "0\n",
                "sysctl -w user.max_user_namespaces=",
            ),
            (
                Step::Namespaces,
                false,
                "kernel/unprivileged_userns_clone",
                "0\n",
                "unprivileged_userns_clone=1",
            ),
            (Step::Namespaces, true, "kernel/unprivileged_userns_clone", "0\n", "seccomp=unconfined"),
            (Step::Namespaces, false, apparmor, "1\n", "apparmor_restrict_unprivileged_userns=0"),
            (Step::Mounts, false, apparmor, "1\n", "apparmor_restrict_unprivileged_userns=0"),
            (Step::Mounts, true, apparmor, "1\n", "doctor"),
            (Step::Proc, false, apparmor, "1\n", "systempaths=unconfined"),
            (Step::Namespaces, false, "none", "", "seccomp=unconfined"),
        ];
        for (step, root, name, value, cure) in cases {
            let fault = Fault { step, text: "cannot do it: EPERM".into() };
            let sentence =
                explain(&fault, root, |asked| (asked == name).then(|| value.to_owned())).to_string();
            assert!(sentence.contains(cure), "{name}: {sentence}");
            assert!(sentence.contains("EPERM") && sentence.contains("--engine docker"), "{sentence}");
        }
    }
}
