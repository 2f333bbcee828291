//! Why bytes yield no facts.

use crate::FileKind;

/// Why [`ElfFacts::parse`](crate::ElfFacts::parse) gives no facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The bytes are no ELF file at all.
    #[error("not an ELF file but {found}")]
    NotElf {
        /// What they are.
        found: FileKind,
        /// What a linker script leads to, as that names it: a path, `libncurses.so.6` or `-ltinfo`.
        leads_to: Option<String>,
    },
    /// The file ends before something it promises to hold. Mapping it and touching the missing part is SIGBUS.
    #[error("cut short: {part} ends at byte {needs}, the file at byte {has}")]
    Truncated {
        /// What lies beyond the end.
        part: &'static str,
        /// Where that part would end, in bytes from the start of the file.
        needs: u64,
        /// The file's length in bytes.
        has: u64,
    },
    /// The file is complete but contradicts itself, or is beyond what any honest file has.
    #[error("malformed: {what}")]
    Malformed {
        /// Which statement of the file does not hold.
        what: &'static str,
    },
}

impl ElfError {
    /// What the file is as far as it was read.
    pub fn kind(&self) -> FileKind {
        match self {
            Self::NotElf { found, .. } => *found,
            Self::Truncated { .. } => FileKind::Truncated,
            Self::Malformed { .. } => FileKind::Malformed,
        }
    }

    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}
