//! What a file is, whatever its name says.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$documentation:meta])* $variant:ident = $code:literal, $words:literal;)*) => {
        /// What a file is, whatever its name says. The strings are stable; new ones may be added.
        ///
        /// A kind belongs to the file alone; what speaks against it in a host is a [`Code`](crate::Code).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[non_exhaustive]
        pub enum FileKind {
            $($(#[$documentation])* $variant,)*
        }

        impl FileKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable string.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The kind in words, with its article where it has one.
            const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

kinds! {
    /// What hosts load.
    SharedLibrary = "shared-library", "a shared library";
    /// An executable for a fixed address that the loader completes.
    Executable = "executable", "an executable for a fixed address";
    /// An executable for any address that the loader completes, told from a library by DF_1_PIE, or by having an interpreter and no name.
    Pie = "pie", "a position-independent executable";
    /// An executable for a fixed address that needs no loader.
    StaticExecutable = "static-executable", "a static executable";
    /// An executable for any address that needs no loader.
    StaticPie = "static-pie", "a static position-independent executable";
    /// Said to be a shared object, and without the table that a loader would link it by.
    NoDynamicTable = "no-dynamic-table", "an object without a dynamic table";
    /// What compilers write before anything is linked, be it a part of a program or of a kernel.
    Relocatable = "relocatable", "a relocatable object (.o), not linked yet";
    /// The memory of a process that crashed.
    Core = "core", "a core dump";
    /// What `objcopy --only-keep-debug` leaves: all sections that would be loaded are empty (SHT_NOBITS).
    DebugOnly = "debug-only", "debug information without its code (.debug)";
    /// An ELF file of a type that only some other system knows.
    OtherElf = "other-elf", "an ELF file of an unknown type";
    /// An ELF file that ends before something it promises to hold.
    Truncated = "truncated", "an ELF file that was cut short";
    /// An ELF file that contradicts itself.
    Malformed = "malformed", "an ELF file that contradicts itself";
    /// Object files in one file, or AIX's form of that.
    Archive = "archive", "a static library (ar archive)";
    /// The names of object files in one file.
    ThinArchive = "thin-archive", "a static library (thin ar archive)";
    /// What a linker takes for a library and no loader does, such as Debian's `libc.so`.
    LinkerScript = "linker-script", "a linker script (GNU ld)";
    /// LLVM's intermediate language, wrapped or not.
    Bitcode = "llvm-bitcode", "LLVM bitcode";
    /// A program or library of Windows.
    Pe = "pe", "a Windows executable or DLL (PE)";
    /// A program or library of macOS.
    MachO = "mach-o", "a macOS binary (Mach-O)";
    /// The same for several processors at once.
    UniversalMachO = "universal-mach-o", "a macOS universal binary (Mach-O)";
    /// A module for WebAssembly.
    Wasm = "wasm", "a WebAssembly module";
    /// Compiled Java.
    JavaClass = "java-class", "a Java class";
    /// Begins with `#!`.
    Script = "script", "a script";
    /// A package of Debian, which is an ar archive.
    Deb = "deb", "a Debian package (.deb)";
    /// A package of Red Hat's kind.
    Rpm = "rpm", "an RPM package";
    /// Also a wheel, a JAR, an APK.
    Zip = "zip", "a zip archive";
    /// See tar(5).
    Tar = "tar", "a tar archive";
    /// RFC 1952.
    Gzip = "gzip", "gzip-compressed data";
    /// RFC 8878.
    Zstd = "zstd", "zstd-compressed data";
    /// The format of xz(1).
    Xz = "xz", "xz-compressed data";
    /// The format of bzip2(1).
    Bzip2 = "bzip2", "bzip2-compressed data";
    /// What a checkout holds in place of a large file.
    GitLfsPointer = "git-lfs-pointer", "a Git LFS pointer";
    /// What a download leaves that asked for a file and got a page.
    Html = "html", "an HTML page";
    /// Nothing at all.
    Empty = "empty", "an empty file";
    /// What a crash leaves of a file that was being written.
    Zeros = "zeros", "a file that begins with zeros";
    /// Words.
    Text = "text", "text";
    /// Nothing that is known here.
    Unknown = "unknown", "data of an unknown format";
}

/// A string that is no [`FileKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of file; the kinds are listed in plugin_compat::FileKind")]
pub struct UnknownFileKind(String);

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl FromStr for FileKind {
    type Err = UnknownFileKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownFileKind(text.to_owned()))
    }
}

impl From<FileKind> for &'static str {
    fn from(kind: FileKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for FileKind {
    type Error = UnknownFileKind;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
