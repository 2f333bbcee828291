//! Builds plugins for this machine in a fresh folder of its own.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use plugin_host::{Admission, Host, LoadError, Plugin, load};

/// A folder with plugins, and this process as their host.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) host: Host,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            host: Host::of_this_process(BTreeMap::from([("rack".into(), "a1".into())])).unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles `source`, relative to this crate, with macros such as `NAME="x"`.
    pub(crate) fn compile(&self, name: &str, source: &str, macros: &[&str]) -> PathBuf {
        let plugin = self.path(name);
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("cc");
        command
            .args(["-std=c11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror"])
            .arg("-I")
            .arg(crate_root.join("../abi/include"))
            .args(macros.iter().map(|definition| format!("-D{definition}")))
            .arg("-o")
            .arg(&plugin)
            .arg(crate_root.join(source));
        run(&mut command);
        fs::set_permissions(&plugin, Permissions::from_mode(0o644)).unwrap();
        plugin
    }

    /// Compiles `tests/it/plugins/handler.c`: a handler that answers its version.
    pub(crate) fn handler(&self, file: &str, name: &str, version: &str, more: &[&str]) -> PathBuf {
        let (name, version) = (format!("NAME=\"{name}\""), format!("VERSION=\"{version}\""));
        let macros: Vec<&str> =
            [name.as_str(), version.as_str()].into_iter().chain(more.iter().copied()).collect();
        self.compile(file, "tests/it/plugins/handler.c", &macros)
    }

    /// A copy of a Rust plugin of this workspace.
    pub(crate) fn rust(&self, package: &str) -> PathBuf {
        let plugin = self.path(&format!("{package}.so"));
        fs::copy(built_by_cargo(package), &plugin).unwrap();
        fs::set_permissions(&plugin, Permissions::from_mode(0o644)).unwrap();
        plugin
    }

    /// The same, built so that a panic in it ends the process.
    pub(crate) fn rust_that_aborts(&self, package: &str) -> PathBuf {
        let plugin = self.path(&format!("{package}-abort.so"));
        fs::copy(aborting_by_cargo(package), &plugin).unwrap();
        fs::set_permissions(&plugin, Permissions::from_mode(0o644)).unwrap();
        plugin
    }

    pub(crate) fn load(&self, path: &Path) -> Result<Plugin, LoadError> {
        load(&self.host, &Admission::default(), path)
    }
}

/// Builds the Rust plugins that the tests use, once, in a target folder of their own: the one that this
/// test came from may be in use.
fn built_by_cargo(package: &str) -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    library(TARGET.get_or_init(|| build("plugins", "unwind")), package)
}

/// The same with `panic = "abort"`.
fn aborting_by_cargo(package: &str) -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    library(TARGET.get_or_init(|| build("plugins-abort", "abort")), package)
}

fn build(folder: &str, panic: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_PROFILE_DEV_PANIC", panic)
        .args([
            "build",
            "--locked",
            "--package",
            "ip-handler",
            "--package",
            "panic-in-create",
            "--target-dir",
        ])
        .arg(&target);
    run(&mut command);
    target
}

fn library(target: &Path, package: &str) -> PathBuf {
    target.join("debug").join(format!("lib{}.so", package.replace('-', "_")))
}

/// Runs a command that must succeed, and gives what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
