//! The ELF note that identifies a plugin without running it.
//!
//! Layout of a note: `elf(5)`, section *Notes (Nhdr)*. The layout of our descriptor belongs to the note *type*, not to
//! the ABI version: a host of any version can tell who a plugin of any version is.

mod identity;
mod rules;
mod segment;

pub use identity::{aborts_on_panic, Identity, NoteError, Problem};
pub use rules::{is_name, is_semver};
pub use segment::{find, RawNote, RawNotes};

/// Section that holds the note.
pub const SECTION: &str = ".note.dynlab";

/// Owner of the note, with its terminating NUL, as counted by the note's `n_namesz`.
pub const OWNER: &[u8; 7] = b"Dynlab\0";

/// Type of the note: which layout its descriptor has.
pub const NOTE_TYPE: u32 = 1;

/// The whole note as it lies in the file: header, owner, descriptor; 4-byte aligned, little-endian.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Note {
    /// `n_namesz`: size of the owner with its NUL, 7.
    pub owner_size: u32,
    /// `n_descsz`: size of [`NoteDescriptor`] in bytes. A later version may append to it.
    pub descriptor_size: u32,
    /// `n_type`: [`NOTE_TYPE`].
    pub note_type: u32,
    /// [`OWNER`], padded to a multiple of four bytes.
    pub owner: [u8; 8],
    /// Who the plugin is.
    pub descriptor: NoteDescriptor,
}

/// The note's descriptor: numbers, then texts of fixed size, each ended and filled up with NUL.
///
/// What each field means and may contain is said at [`Identity`], its readable form.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NoteDescriptor {
    /// See [`Identity::abi_major`].
    pub abi_major: u16,
    /// See [`Identity::abi_minor`].
    pub abi_minor: u16,
    /// See [`Identity::kind`].
    pub kind: u32,
    /// See [`Identity::name`].
    pub name: [u8; 64],
    /// See [`Identity::version`].
    pub version: [u8; 32],
    /// See [`Identity::entry`].
    pub entry: [u8; 64],
    /// See [`Identity::target`].
    pub target: [u8; 64],
    /// See [`Identity::compiler`].
    pub compiler: [u8; 96],
    /// See [`Identity::profile`].
    pub profile: [u8; 16],
    /// See [`Identity::source_digest`].
    pub source_digest: [u8; 72],
}

/// Size of [`NoteDescriptor`] in bytes: the least that `n_descsz` may say.
pub const DESCRIPTOR_SIZE: usize = core::mem::size_of::<NoteDescriptor>();

impl Note {
    /// Builds the note of a plugin. Meant for a `static`, where every panic below is a compile error.
    ///
    /// # Panics
    /// If a text is too long for its field or breaks the rule of its field; see [`Identity`].
    ///
    /// ```
    /// use plugin_abi::{Identity, Note};
    /// static NOTE: Note = Note::new(&Identity {
    ///     abi_major: 1,
    ///     abi_minor: 1,
    ///     kind: 1,
    ///     name: "ip",
    ///     version: "1.2.3",
    ///     entry: "dynlab_plugin",
    ///     target: "x86_64-unknown-linux-gnu",
    ///     compiler: "rustc 1.63.0",
    ///     profile: "release", // at most 15 bytes
    ///     source_digest: "unknown",
    /// });
    /// ```
    ///
    /// ```compile_fail,E0080
    /// use plugin_abi::{Identity, Note};
    /// static NOTE: Note = Note::new(&Identity {
    ///     abi_major: 1,
    ///     abi_minor: 1,
    ///     kind: 1,
    ///     name: "ip",
    ///     version: "1.2.3",
    ///     entry: "dynlab_plugin",
    ///     target: "x86_64-unknown-linux-gnu",
    ///     compiler: "rustc 1.63.0",
    ///     profile: "release-with-lto", // 16 bytes
    ///     source_digest: "unknown",
    /// });
    /// ```
    pub const fn new(identity: &Identity<'_>) -> Note {
        assert!(
            is_name(identity.name.as_bytes()),
            "plugin name: letters, digits, '-', '_', '.', first a letter or digit"
        );
        assert!(
            is_semver(identity.version.as_bytes()),
            "plugin version: semantic version like 1.2.3 or 1.2.3-beta.1"
        );
        assert!(is_name(identity.entry.as_bytes()), "entry symbol: letters, digits, '_', first a letter");
        assert!(is_name(identity.target.as_bytes()), "target: a triple like x86_64-unknown-linux-gnu");
        Note {
            owner_size: OWNER.len() as u32,
            descriptor_size: DESCRIPTOR_SIZE as u32,
            note_type: NOTE_TYPE,
            owner: fixed("Dynlab"),
            descriptor: NoteDescriptor {
                abi_major: identity.abi_major,
                abi_minor: identity.abi_minor,
                kind: identity.kind,
                name: fixed(identity.name),
                version: fixed(identity.version),
                entry: fixed(identity.entry),
                target: fixed(identity.target),
                compiler: fixed(identity.compiler),
                profile: fixed(identity.profile),
                source_digest: fixed(identity.source_digest),
            },
        }
    }

    /// The identity that this note spells.
    ///
    /// # Errors
    /// If a field breaks its rule, which a note made by [`Note::new`] never does.
    pub fn identity(&self) -> Result<Identity<'_>, NoteError> {
        self.descriptor.identity()
    }
}

impl NoteDescriptor {
    /// The identity that this descriptor spells.
    ///
    /// # Errors
    /// If a field breaks its rule.
    pub fn identity(&self) -> Result<Identity<'_>, NoteError> {
        let first: *const NoteDescriptor = self;
        // SAFETY: the type is made of integers and byte arrays without padding (see `layout`), so all its bytes are
        // initialised, and the slice borrows from `self`.
        Identity::parse(unsafe { core::slice::from_raw_parts(first.cast::<u8>(), DESCRIPTOR_SIZE) })
    }
}

/// `text` filled up with NUL to `N` bytes, at least one of them.
const fn fixed<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() < N, "text is too long for its field of the plugin's note");
    assert!(rules::is_printable_ascii(bytes), "text in the plugin's note must be printable ASCII");
    let mut field = [0; N];
    let mut i = 0;
    while i < bytes.len() {
        field[i] = bytes[i];
        i += 1;
    }
    field
}
