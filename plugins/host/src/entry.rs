//! The exported symbol of a mapped plugin: its descriptor and factories, checked and copied.

use std::ffi::{CString, c_void};

use plugin_abi::{Factory, Identity, Kind, PluginDescriptor, SizeError, ViewError, sized, version};

use crate::image::Image;

/// A plugin's descriptor in this version's form, with what it points to.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The descriptor; entries that an older plugin does not have are absent.
    pub(crate) descriptor: PluginDescriptor,
    /// What the plugin makes instances of; the first is the default. Never empty.
    pub(crate) factories: Vec<NamedTable>,
    pub(crate) kind: Kind,
}

/// A factory: its name and its function table, whose type is that of the plugin's kind.
#[derive(Clone, Debug)]
pub(crate) struct NamedTable {
    pub(crate) name: String,
    pub(crate) table: TablePointer,
}

/// A table in a plugin's image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TablePointer(pub(crate) *const c_void);

// SAFETY: the contract makes tables constant, and images are never unmapped.
unsafe impl Send for TablePointer {}
// SAFETY: as above.
unsafe impl Sync for TablePointer {}

/// More factories than any plugin offers; a larger number is a garbled descriptor.
const MOST_FACTORIES: usize = 1_024;

/// Reads the descriptor that the note of `image` names, and checks it against that note.
///
/// # Safety
/// `image` is a plugin that keeps to the contract, as far as its note says which that is: its entry
/// symbol, if it exports one, is a descriptor.
///
/// # Errors
/// [`EntryError`].
pub(crate) unsafe fn read_entry(image: &Image, identity: &Identity<'_>) -> Result<Entry, EntryError> {
    let missing = || EntryError::Missing { symbol: identity.entry.to_owned() };
    let symbol = CString::new(identity.entry).map_err(|_| missing())?;
    let address = image.symbol(&symbol).ok_or_else(missing)?;
    // SAFETY: the caller vouches for what lies there.
    unsafe { check_entry(address.cast::<PluginDescriptor>(), identity) }
}

/// The same for a descriptor that is at hand.
///
/// # Safety
/// As for [`read_entry`].
pub(crate) unsafe fn check_entry(
    descriptor: *const PluginDescriptor,
    identity: &Identity<'_>,
) -> Result<Entry, EntryError> {
    // SAFETY: the caller's promise.
    let descriptor = unsafe { sized::read_sized(descriptor) }
        .map_err(|problem| EntryError::Structure { what: "descriptor", problem })?;
    let found = (descriptor.abi_major, descriptor.abi_minor, descriptor.kind);
    let noted = (identity.abi_major, identity.abi_minor, identity.kind);
    if found != noted {
        return Err(EntryError::DiffersFromNote { found, noted });
    }
    // The judge has refused these already, unless nobody asked it.
    version::check_abi(found.0, found.1).map_err(|mismatch| match mismatch {
        version::AbiMismatch::Major { .. } => EntryError::AbiMajor { text: mismatch.to_string() },
        version::AbiMismatch::Minor { .. } => EntryError::AbiMinor { text: mismatch.to_string() },
    })?;
    let kind = Kind::from_code(found.2).ok_or(EntryError::UnknownKind { code: found.2 })?;
    if !(1..=MOST_FACTORIES).contains(&descriptor.factory_count) {
        return Err(EntryError::FactoryCount { count: descriptor.factory_count });
    }
    let factories = (0..descriptor.factory_count)
        .filter_map(|index| {
            // SAFETY: the caller vouches for the descriptor.
            unsafe { descriptor.factory(index) }
                .map_err(|problem| EntryError::Structure { what: "factory", problem })
                .transpose()
        })
        // SAFETY: the factory comes from that descriptor.
        .map(|factory| unsafe { named_table(factory?) })
        .collect::<Result<_, _>>()?;
    Ok(Entry { descriptor, factories, kind })
}

/// # Safety
/// `factory` comes from a plugin that keeps to the contract.
unsafe fn named_table(factory: Factory) -> Result<NamedTable, EntryError> {
    // SAFETY: the contract makes the name constant for the life of the process.
    let name = unsafe { factory.name.as_str() }.map_err(|problem| EntryError::FactoryName { problem })?;
    if name.is_empty() {
        return Err(EntryError::FactoryUnnamed);
    }
    if factory.table.is_null() {
        return Err(EntryError::Structure { what: "table", problem: SizeError::Null });
    }
    Ok(NamedTable { name: name.to_owned(), table: TablePointer(factory.table) })
}

/// Why what a plugin exports cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The symbol that the note names is not exported.
    #[error("exports no symbol `{symbol}`, which its note names as entry; export it, or name the right one")]
    Missing {
        /// The name.
        symbol: String,
    },
    /// A structure that begins with its size is not one.
    #[error("its {what} is no such structure: {problem}; build it against the published contract")]
    Structure {
        /// Which structure.
        what: &'static str,
        /// What is wrong with it.
        problem: SizeError,
    },
    /// The note says one thing and the code another.
    #[error(
        "its descriptor says ABI {}.{} kind {}, its note says ABI {}.{} kind {}; build both from one source",
        found.0, found.1, found.2, noted.0, noted.1, noted.2
    )]
    DiffersFromNote {
        /// Major, minor and kind of the descriptor.
        found: (u16, u16, u32),
        /// Major, minor and kind of the note.
        noted: (u16, u16, u32),
    },
    /// Another major version of the contract.
    #[error("{text}")]
    AbiMajor {
        /// Both sides and the cure.
        text: String,
    },
    /// A newer minor version of the contract.
    #[error("{text}")]
    AbiMinor {
        /// Both sides and the cure.
        text: String,
    },
    /// A kind of plugin that this version of the contract does not know.
    #[error("is of kind {code}, which this host does not know; upgrade the host")]
    UnknownKind {
        /// The kind's number.
        code: u32,
    },
    /// No factories, or an absurd number of them.
    #[error("claims {count} factories, and 1 to {MOST_FACTORIES} are accepted")]
    FactoryCount {
        /// The number claimed.
        count: usize,
    },
    /// A factory's name cannot be read.
    #[error("has a factory whose name is no text: {problem}")]
    FactoryName {
        /// What is wrong with it.
        problem: ViewError,
    },
    /// The note does not read back.
    #[error("has a note that cannot be read; write it with the published contract")]
    UnreadableNote,
    /// A factory has an empty name.
    #[error("has a factory without a name")]
    FactoryUnnamed,
}

impl EntryError {
    /// The stable code of this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "entry.missing",
            Self::AbiMajor { .. } => "abi.major",
            Self::AbiMinor { .. } => "abi.minor",
            Self::UnreadableNote => "note.garbled",
            Self::UnknownKind { .. } => "abi.kind",
            Self::DiffersFromNote { .. } => "descriptor.differs-from-note",
            _ => "descriptor.malformed",
        }
    }
}
