//! Builds ELF files with the machine's C compiler (`cc`, a stated requirement of the lab).

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary folder to build in; everything in it goes with it.
pub(crate) struct Workshop(TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder to write to");
        fs::write(&path, contents).expect("a file to write");
        path
    }

    /// Compiles and links one C file into `output` with the given arguments, and gives its path.
    pub(crate) fn compile(&self, output: &str, source: &str, arguments: &[&str]) -> PathBuf {
        let source = self.write(&format!("{output}.c"), source);
        let product = self.path(output);
        let mut command = Command::new("cc");
        command.current_dir(self.folder()).arg("-o").arg(&product).arg(&source).args(arguments);
        let finished = command.output().expect("cc, which the lab requires, runs");
        assert!(
            finished.status.success(),
            "{command:?} in {} ended with {}:\n{}",
            self.folder().display(),
            finished.status,
            String::from_utf8_lossy(&finished.stderr)
        );
        product
    }

    /// A shared library with no start files and no libraries but those named.
    pub(crate) fn library(&self, output: &str, source: &str, arguments: &[&str]) -> Vec<u8> {
        let all: Vec<&str> = [&BARE[..], &["-shared"], arguments].concat();
        fs::read(self.compile(output, source, &all)).expect("what cc just wrote")
    }
}

/// What makes a file independent of the machine's own C library and of compilers' differing defaults.
pub(crate) const BARE: [&str; 6] = [
    "-nostdlib",
    "-fPIC",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
];

/// C source that marks a file as made for processors of these levels, one bit each (GNU_PROPERTY_X86_ISA_1_NEEDED of the x86-64 psABI). The section is not
/// called as the psABI has it, so that linkers leave it as it is; loaders go by segments.
pub(crate) fn level_source(levels: u32) -> String {
    format!(
        r#"__asm__(".pushsection .note.levels,\"a\",@note\n.balign 8\n.long 4, 16, 5\n.asciz \"GNU\"\n.long 0xc0008002, 4, {levels}, 0\n.popsection");"#
    )
}

/// Where the dynamic table of a well-formed 64-bit file lies.
pub(crate) fn dynamic_table(bytes: &[u8]) -> Range<usize> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
    let headers = (0..usize::from(bytes[56])).map(|index| 64 + index * 56);
    let header = headers.into_iter().find(|at| bytes[*at] == 2).expect("a dynamic table");
    word(header + 8)..word(header + 8) + word(header + 32)
}
