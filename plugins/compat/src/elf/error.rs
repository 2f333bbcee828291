//! Why bytes yield no facts.

/// Why [`ElfFacts::parse`](crate::ElfFacts::parse) gives no facts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The bytes are no ELF file at all.
    #[error("not an ELF file but {found}")]
    NotElf {
        /// What the bytes look like, with its article: `a static library (ar archive)`.
        found: &'static str,
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
    /// The file is complete but contradicts itself.
    #[error("malformed: {what}")]
    Malformed {
        /// Which statement of the file does not hold.
        what: &'static str,
    },
}

impl ElfError {
    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}
