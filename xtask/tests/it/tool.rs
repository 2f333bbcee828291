//! An image with one static program in it, built from `tool/tool.c`, and xtask beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A folder with an image and a copy of xtask that every user of the machine can read.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// `None`, after saying why, on a machine that cannot build or run the tool in a sandbox.
    pub(crate) fn new() -> Option<Lab> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let lab = Lab { folder };
        fs::create_dir_all(lab.rootfs().join("etc/inner")).unwrap();
        fs::write(lab.rootfs().join("etc/inner/kept"), "kept\n").unwrap();
        fs::copy(env!("CARGO_BIN_EXE_xtask"), lab.xtask()).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tool/tool.c");
        let built = Command::new("gcc")
            .args(["-static", "-O1", "-Wall", "-Werror", "-o"])
            .args([lab.rootfs().join("tool"), source])
            .output();
        match built {
            Ok(output) if output.status.success() => {}
            Ok(output) => return skip(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => return skip(&format!("gcc does not start: {error}")),
        }
        let output = lab.exec(&[], &["exit", "0"]);
        if output.status.success() { Some(lab) } else { skip(&String::from_utf8_lossy(&output.stderr)) }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    pub(crate) fn xtask(&self) -> PathBuf {
        self.path().join("xtask")
    }

    /// `xtask exec OPTIONS -- /tool VERBS` on the image.
    pub(crate) fn command(&self, options: &[&str], verbs: &[&str]) -> Command {
        let mut command = Command::new(self.xtask());
        command.arg("exec").arg("--rootfs").arg(self.rootfs());
        command.args(options).args(["--", "/tool"]).args(verbs).env("UNWANTED", "1");
        command
    }

    pub(crate) fn exec(&self, options: &[&str], verbs: &[&str]) -> Output {
        self.command(options, verbs).output().unwrap()
    }
}

pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    println!("skipped: {}", reason.trim());
    None
}

/// Processes of this machine whose command line has `mark` in it.
pub(crate) fn processes_with(mark: &str) -> Vec<String> {
    let command_lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let folder = entry.unwrap().path();
        fs::read(folder.join("cmdline")).ok()
    });
    let readable = command_lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    readable.filter(|line| line.contains(mark)).collect()
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
