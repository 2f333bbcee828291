//! Plugins in a fresh folder, and the server as it is shipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A folder of plugins.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The `ip` handler.
    pub(crate) fn ip(&self) -> PathBuf {
        built().join("libip_handler.so")
    }

    /// The first page of the `ip` handler.
    pub(crate) fn truncated_ip(&self) -> PathBuf {
        let whole = fs::read(self.ip()).unwrap();
        let file = self.folder.path().join("truncated.so");
        fs::write(&file, &whole[..4096]).unwrap();
        file
    }

    /// A handler in C with these macros; see its source.
    pub(crate) fn handler(&self, macros: &[&str]) -> PathBuf {
        self.compile("plugins/host/tests/it/plugins/handler.c", macros)
    }

    /// One of the deliberately bad plugins.
    pub(crate) fn fixture(&self, name: &str) -> PathBuf {
        self.compile(&format!("plugins/fixtures/{name}.c"), &[])
    }

    /// A server that is a shell script.
    pub(crate) fn script(&self, text: &str) -> PathBuf {
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let file = self.folder.path().join(format!("{number}.sh"));
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    fn compile(&self, source: &str, macros: &[&str]) -> PathBuf {
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let file = self.folder.path().join(format!("{number}.so"));
        let mut command = Command::new("cc");
        command
            .args(["-std=gnu11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror"])
            .arg("-I")
            .arg(repository().join("plugins/abi/include"))
            .args(macros.iter().map(|definition| format!("-D{definition}")))
            .arg("-o")
            .arg(&file)
            .arg(repository().join(source));
        run(&mut command);
        file
    }
}

/// What the program says of `dyn-server` with these handlers.
pub(crate) fn observe(patience: u32, handlers: &[PathBuf]) -> serde_json::Value {
    observe_server(&dyn_server(), patience, handlers)
}

/// What the program says of `dyn-server` with these handlers and these files beside them.
pub(crate) fn observe_beside(patience: u32, handlers: &[PathBuf], beside: &[PathBuf]) -> serde_json::Value {
    let mut command = command(patience, handlers);
    for file in beside {
        command.arg("--beside").arg(format!("handlers={}", file.display()));
    }
    answer(&mut command)
}

/// What the program says of a server with these handlers.
pub(crate) fn observe_server(server: &Path, patience: u32, handlers: &[PathBuf]) -> serde_json::Value {
    answer(&mut command_of(server, patience, handlers))
}

/// The program about to start `dyn-server` with these handlers.
pub(crate) fn command(patience: u32, handlers: &[PathBuf]) -> Command {
    command_of(&dyn_server(), patience, handlers)
}

/// The program about to start a server with these handlers.
pub(crate) fn command_of(server: &Path, patience: u32, handlers: &[PathBuf]) -> Command {
    let mut command = e2e();
    command.arg("--server").arg(server);
    command.arg("--patience-seconds").arg(patience.to_string());
    command.arg("--ask").arg(r#"/ip={"ip": "127.0.0.1"}"#);
    for handler in handlers {
        command.arg("--plugin").arg(format!("handlers={}", handler.display()));
    }
    command
}

/// What it says.
pub(crate) fn answer(command: &mut Command) -> serde_json::Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The program under test.
pub(crate) fn e2e() -> Command {
    Command::new(env!("CARGO_BIN_EXE_server-e2e"))
}

/// `dyn-server`.
pub(crate) fn dyn_server() -> PathBuf {
    built().join("dyn-server")
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The folder of the server and the plugin, built as they are shipped: apart from this crate and from each other's tests.
fn built() -> PathBuf {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        let mut command = Command::new(env!("CARGO"));
        command
            .current_dir(repository())
            .args(["build", "--locked", "--package", "server", "--package", "ip-handler", "--target-dir"])
            .arg(&target);
        run(&mut command);
        target
    });
    target.join("debug")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{stderr}", output.status);
}
