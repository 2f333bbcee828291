//! Verdicts: whether a plugin loads, and every reason why not.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whether a plugin loads in a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it loads: no reason speaks against it.
    pub loadable: bool,
    /// What speaks against it, the most fundamental first, in the order of [`Code`]'s variants.
    pub reasons: Vec<Reason>,
    /// What does not speak against loading but should be known: sentences for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl Verdict {
    /// The verdict that these reasons make, in any order.
    pub fn of(mut reasons: Vec<Reason>) -> Self {
        // Stable: reasons of one code stay in the order of the file's tables.
        reasons.sort_by_key(|reason| reason.code);
        Self { loadable: reasons.is_empty(), reasons, remarks: Vec::new() }
    }

    /// The most fundamental reason.
    pub fn first(&self) -> Option<&Reason> {
        self.reasons.first()
    }
}

/// One reason why a plugin does not load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reason {
    /// What kind of reason it is, for programs.
    pub code: Code,
    /// The same for people: both sides and the cure in one sentence.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence. Control characters in it are written as escapes, since it names what strangers' files hold, and
    /// ends up in logs and terminals.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.contains(char::is_control) {
            let escaped =
                |one: char| if one.is_control() { one.escape_default().collect() } else { String::from(one) };
            text = text.chars().map(escaped).collect();
        }
        Self { code, text }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Who would notice a mismatch if nobody judged.
///
/// This is so for glibc. musl's loader checks neither word size, byte order, machine nor file type: it maps such a file
/// and refuses it at the first relocation it does not know, or the process dies when foreign code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layer {
    /// The dynamic loader: it refuses the file, or the process dies in it.
    Loader,
    /// The host's check of the contract, once the plugin is loaded.
    Contract,
    /// Nobody: the plugin may seem to work. Only the judge refuses it.
    Judge,
}

macro_rules! codes {
    ($($(#[doc = $documentation:literal])* $variant:ident = $text:literal, $layer:ident;)*) => {
        /// What kind of reason speaks against a plugin. The strings are stable; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $documentation])* $variant,)*
        }

        impl Code {
            /// Every code, the most fundamental first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable string: the layer, a dot, what is wrong there.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Who would notice if nobody judged.
            pub const fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)* }
            }

            /// What it means wherever it is given: the first sentence of its documentation, without a full stop.
            pub fn summary(self) -> &'static str {
                let documentation = match self { $(Self::$variant => concat!($($documentation),*),)* };
                let sentence = documentation.split_once(". ").map_or(documentation, |(first, _)| first);
                sentence.trim().trim_end_matches('.')
            }
        }
    };
}

codes! {
    /// The file is no ELF file. What it is instead says [`ElfError::kind`](crate::ElfError::kind).
    ElfNotElf = "elf.not-elf", Loader;
    /// The file ends too early.
    ElfTruncated = "elf.truncated", Loader;
    /// The file contradicts itself.
    ElfMalformed = "elf.malformed", Loader;
    /// The word size is not the host's.
    ElfClass = "elf.class", Loader;
    /// The byte order is not the host's.
    ElfEndianness = "elf.endianness", Loader;
    /// The processor architecture is not the host's.
    ElfMachine = "elf.machine", Loader;
    /// The operating system ABI is not one glibc loads.
    ElfOsAbi = "elf.os-abi", Loader;
    /// The file is not a shared library: an executable, static or not, an object that is not linked yet, or a core dump. Which of them says
    /// [`ElfFacts::kind`](crate::ElfFacts::kind).
    ElfType = "elf.type", Loader;
    /// The file is a program, which the host's loader takes for a library; nothing in it is meant to be called.
    ElfProgram = "elf.program", Judge;
    /// The file holds the debug information of a linked file and nothing that could be loaded.
    ElfDebugOnly = "elf.debug-only", Loader;
    /// The file calls itself a shared object but has no dynamic table, so there is nothing that a loader could link.
    ElfStatic = "elf.static", Loader;
    /// The file is marked as not to be opened by a program that runs.
    ElfNoOpen = "elf.no-open", Loader;
    /// The host's program is static and has no loader.
    HostStatic = "host.static", Loader;
    /// Plugin and host are built for different C libraries.
    LibcFamily = "libc.family", Judge;
    /// A needed library is not found, or is unusable.
    LibraryMissing = "library.missing", Loader;
    /// The facts of the host do not say whether a needed library is there.
    LibraryUnread = "library.unread", Judge;
    /// The host's C library does not define a required symbol version.
    LibcSymbolVersion = "libc.symbol-version", Loader;
    /// Another library of the host does not define a required symbol version.
    LibrarySymbolVersion = "library.symbol-version", Loader;
    /// A library whose versions were asked for when the file was linked has none here, which the host's loader does not survive.
    LibraryUnversioned = "library.unversioned", Loader;
    /// The file is marked as made for newer processors than the host's is, and the host's C library heeds that.
    LibcProcessorLevel = "libc.processor-level", Loader;
    /// Relocations are packed in a way the host's loader does not read or does not accept.
    LibcPackedRelocations = "libc.packed-relocations", Loader;
    /// An executable stack is asked for and the host's C library gives none.
    LibcExecutableStack = "libc.executable-stack", Loader;
    /// Thread-local storage of a model that the host's C library refuses in plugins.
    LibcStaticTls = "libc.static-tls", Loader;
    /// A library stands in for the plugin's own symbols, and the host's loader does not survive that.
    LibcFilters = "libc.filters", Loader;
    /// Functions are chosen at load time in a way that the host's C library does not know.
    LibcIndirectFunctions = "libc.indirect-functions", Loader;
    /// Nobody provides a symbol.
    SymbolUndefined = "symbol.undefined", Loader;
    /// The contract's note is missing.
    NoteMissing = "note.missing", Contract;
    /// The contract's note cannot be read.
    NoteGarbled = "note.garbled", Contract;
    /// The contract's major version differs.
    AbiMajor = "abi.major", Contract;
    /// The plugin's minor version of the contract is newer.
    AbiMinor = "abi.minor", Contract;
    /// The plugin is of another kind than wanted.
    AbiKind = "abi.kind", Contract;
    /// The symbol that leads to the plugin's descriptor is not exported.
    EntryMissing = "entry.missing", Contract;
    /// A panic in the plugin ends the process, and nobody has allowed that.
    PanicAbort = "panic.abort", Judge;
}

/// A string that is no [`Code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no verdict code; the codes are listed in plugin_compat::Code")]
pub struct UnknownCode(String);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl From<Code> for &'static str {
    fn from(code: Code) -> Self {
        code.as_str()
    }
}

impl TryFrom<String> for Code {
    type Error = UnknownCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Reason};

    #[test]
    fn codes_are_summed_up_in_a_sentence() {
        assert_eq!(Code::ElfNotElf.summary(), "The file is no ELF file");
        assert_eq!(
            Code::ElfType.summary(),
            "The file is not a shared library: an executable, static or not, an object that is not linked yet, or a core dump"
        );
        for code in Code::ALL {
            let summary = code.summary();
            assert!(summary.len() > 20 && !summary.contains(['[', '`', '.']), "{code}: {summary}");
        }
    }

    #[test]
    fn sentences_cannot_move_a_cursor_or_begin_a_line() {
        let text = |text: &str| Reason::new(Code::LibraryMissing, text).text;
        assert_eq!(text("needs libänd.so"), "needs libänd.so");
        assert_eq!(text("needs a\u{1b}[2Jb\nERROR"), "needs a\\u{1b}[2Jb\\nERROR");
    }
}
