//! The C compiler, and what it makes.

use std::fs;
use std::process::Command;

/// How the module is called if nothing else is said.
pub(crate) const MODULE: &str = "ngx_http_fixture_module";

/// A folder in which files are made.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A module with these macros, or linked with these flags.
    pub(crate) fn module(&self, flags: &[&str]) -> Vec<u8> {
        self.compile("module.c", &[&["-shared", "-fPIC"], flags].concat()).unwrap()
    }

    /// The same, unless the linker does not know the flags.
    pub(crate) fn try_module(&self, flags: &[&str]) -> Option<Vec<u8>> {
        self.compile("module.c", &[&["-shared", "-fPIC", "-Wl,--fatal-warnings"], flags].concat()).ok()
    }

    /// What is linked as nginx is.
    pub(crate) fn nginx(&self, flags: &[&str]) -> Vec<u8> {
        self.compile("nginx.c", &[&["-pie", "-fPIE", "-rdynamic"], flags].concat()).unwrap()
    }

    fn compile(&self, source: &str, flags: &[&str]) -> Result<Vec<u8>, String> {
        let file = self.folder.path().join("made");
        let source = format!("{}/tests/it/{source}", env!("CARGO_MANIFEST_DIR"));
        let output =
            Command::new("cc").args(["-O1", "-o"]).arg(&file).arg(source).args(flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(fs::read(file).unwrap()) } else { Err(stderr) }
    }
}
