//! How programs of another architecture run: an emulator that the kernel starts for them (binfmt_misc).
//!
//! Since Linux 6.7 every user namespace can have a binfmt_misc of its own, so a sandbox brings its pinned emulator with
//! it and the machine stays as it is. On older kernels, and for docker and podman, the machine-wide table must name
//! an emulator, with flag F: then the kernel has opened it beforehand and it need not lie inside the image.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use rustix::mount::MountFlags;

use super::Unavailable;
use crate::lab::Arch;

/// Where the machine-wide table is mounted.
pub(crate) const MACHINE_WIDE: &str = "/proc/sys/fs/binfmt_misc";
/// The name of the entry, as Debian's qemu-user-static has it.
pub(crate) const ENTRY: &str = "qemu-aarch64";

/// The first bytes of every little-endian aarch64 ELF executable or shared object, and which of their bits count
/// (qemu, `scripts/qemu-binfmt-conf.sh`). Bytes that the kernel would take for a delimiter or NUL are escaped.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

/// A way that works on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Emulation {
    /// Each sandbox registers this emulator for itself.
    Private(PathBuf),
    /// The machine's table has an emulator.
    MachineWide,
}

impl Emulation {
    /// Finds how to run programs of `arch` here. `try_private` makes an empty sandbox with an emulator of its own.
    pub(super) fn find(
        arch: Arch,
        emulator: Option<&Path>,
        try_private: impl Fn(&Path) -> Result<(), String>,
    ) -> Result<Emulation, Unavailable> {
        if arch != Arch::Aarch64 {
            return Err(Unavailable {
                reason: format!("this machine is not {arch}, and the lab has an emulator for aarch64 only"),
                cure: format!("run the lab on {arch}"),
            });
        }
        let private = match emulator {
            Some(emulator) if emulator.is_file() => {
                try_private(emulator).map(|()| Emulation::Private(emulator.into()))
            }
            Some(emulator) => Err(format!("{} is not there", emulator.display())),
            None => Err("no emulator was given".to_owned()),
        };
        private.or_else(|refusal| match machine_wide() {
            Ok(()) => Ok(Emulation::MachineWide),
            Err(state) => Err(Unavailable {
                reason: format!("{arch} programs do not run here: {refusal}, and {state}"),
                cure: "as root: `cargo xtask doctor --fix`".into(),
            }),
        })
    }

    /// The emulator that a sandbox has to register, if any.
    pub(super) fn private_emulator(&self) -> Option<&Path> {
        match self {
            Emulation::Private(emulator) => Some(emulator),
            Emulation::MachineWide => None,
        }
    }
}

/// Whether the machine-wide table runs aarch64 programs in any root.
///
/// # Errors
/// What is missing, as the end of a sentence.
pub(crate) fn machine_wide() -> Result<(), String> {
    let table = Path::new(MACHINE_WIDE);
    let status = fs::read_to_string(table.join("status"))
        .map_err(|_| format!("binfmt_misc is not mounted at {MACHINE_WIDE}"))?;
    if status.trim() != "enabled" {
        return Err(format!("binfmt_misc is {} on this machine", status.trim()));
    }
    let entry =
        fs::read_to_string(table.join(ENTRY)).map_err(|_| format!("{MACHINE_WIDE} has no {ENTRY}"))?;
    judge_entry(&entry)
}

/// Makes the kernel run aarch64 programs of this whole machine under `emulator`, until the next boot. Needs root.
///
/// # Errors
/// The kernel has no binfmt_misc or refuses.
pub(crate) fn register_machine_wide(emulator: &Path) -> Result<()> {
    let table = Path::new(MACHINE_WIDE);
    if !table.join("register").exists() {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("binfmt_misc", MACHINE_WIDE, "binfmt_misc", flags, c"").with_context(|| {
            format!("cannot mount binfmt_misc at {MACHINE_WIDE}; load it with `modprobe binfmt_misc` if it is a module")
        })?;
    }
    fs::write(table.join("status"), "1").context("cannot switch binfmt_misc on")?;
    let entry = table.join(ENTRY);
    if entry.exists() {
        // One without flag F, or a disabled one: it does not work inside images.
        fs::write(&entry, "-1").with_context(|| format!("cannot replace {}", entry.display()))?;
    }
    let emulator = emulator.canonicalize().with_context(|| format!("{} is not there", emulator.display()))?;
    // The kernel bounds the length of an interpreter's path, and flag F makes the path irrelevant afterwards.
    let short =
        tempfile::Builder::new().prefix("qemu").tempdir_in("/tmp").context("cannot make a folder in /tmp")?;
    let link = short.path().join("a");
    symlink(&emulator, &link).context("cannot make a link in /tmp")?;
    fs::write(table.join("register"), registration(&link.display().to_string()))
        .with_context(|| format!("cannot register {} at {MACHINE_WIDE}", emulator.display()))?;
    machine_wide().map_err(|state| anyhow!("registered {}, and yet {state}", emulator.display()))
}

/// The line that registers `interpreter` (Linux `Documentation/admin-guide/binfmt-misc.rst`). Flag F opens it at once,
/// P hands the program its own `argv[0]`.
pub(crate) fn registration(interpreter: &str) -> String {
    format!(":{ENTRY}:M:0:{MAGIC}:{MASK}:{interpreter}:PF")
}

fn judge_entry(entry: &str) -> Result<(), String> {
    if !entry.lines().any(|line| line == "enabled") {
        return Err(format!("{MACHINE_WIDE}/{ENTRY} is disabled"));
    }
    let flags = entry.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default();
    if !flags.contains('F') {
        return Err(format!(
            "{MACHINE_WIDE}/{ENTRY} has no flag F, so its emulator is not found inside an image"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
                          magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn an_entry_needs_to_be_enabled_and_fixed() {
        assert_eq!(judge_entry(DEBIAN), Ok(()));
        assert!(judge_entry(&DEBIAN.replace("enabled", "disabled")).unwrap_err().contains("disabled"));
        assert!(judge_entry(&DEBIAN.replace("POCF", "POC")).unwrap_err().contains("flag F"));
    }

    #[test]
    fn the_registration_says_what_debian_registers() {
        let line = registration("/q");
        let fields: Vec<_> = line.split(':').collect();
        assert_eq!(fields[1..4], [ENTRY, "M", "0"]);
        assert_eq!(fields[6..], ["/q", "PF"]);
        let hex = |field: &str| field.replace("ELF", r"\x45\x4c\x46").replace(r"\x", "");
        assert!(DEBIAN.contains(&format!("magic {}\n", hex(fields[4]))));
        assert!(DEBIAN.contains(&format!("mask {}\n", hex(fields[5]))));
    }

    #[test]
    fn what_cannot_be_emulated_says_so() {
        let refused = |arch, emulator: Option<&Path>| {
            Emulation::find(arch, emulator, |_| Err("no".into())).map_err(|error| error.to_string())
        };
        assert!(refused(Arch::X86_64, None).unwrap_err().contains("run the lab on x86_64"));
        let works = Emulation::find(Arch::Aarch64, Some(Path::new("/proc/self/exe")), |_| Ok(()));
        assert_eq!(works, Ok(Emulation::Private("/proc/self/exe".into())));
        if machine_wide().is_err() {
            let sentence = refused(Arch::Aarch64, Some(Path::new("/nowhere"))).unwrap_err();
            assert!(
                sentence.contains("/nowhere is not there") && sentence.contains("doctor --fix"),
                "{sentence}"
            );
        }
    }
}
