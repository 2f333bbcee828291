//! Who a plugin is, read from the descriptor of its note.

use super::{rules, DESCRIPTOR_SIZE};
use crate::Kind;
use core::{fmt, str};

/// Who a plugin is: the readable form of its note.
///
/// All texts are printable ASCII and shorter than their field in [`NoteDescriptor`](super::NoteDescriptor).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Major version of the contract the plugin was built against.
    pub abi_major: u16,
    /// Minor version of the contract the plugin was built against.
    pub abi_minor: u16,
    /// What the plugin is for: the code of a [`Kind`], or a number a newer contract added.
    pub kind: u32,
    /// The plugin's name: letters, digits, `-`, `_`, `.`, the first a letter or digit; at most 63 bytes.
    pub name: &'a str,
    /// The plugin's semantic version; at most 31 bytes.
    pub version: &'a str,
    /// Name of the exported data symbol that is the plugin's [`PluginDescriptor`](crate::PluginDescriptor); same
    /// alphabet as `name`; at most 63 bytes. Each plugin names its own, so that several can be linked into one program.
    pub entry: &'a str,
    /// Target triple the plugin was compiled for; at most 63 bytes.
    pub target: &'a str,
    /// Compiler and its version, such as `rustc 1.63.0` or `gcc 14.2.0`; at most 95 bytes. Shown, never compared.
    pub compiler: &'a str,
    /// `release` or `debug`, with `+abort` behind it if a panic ends the process; at most 15 bytes.
    pub profile: &'a str,
    /// `sha256:` and 64 hexadecimal digits over the sources the plugin was built from, or `unknown`; at most 71 bytes.
    pub source_digest: &'a str,
}

impl<'a> Identity<'a> {
    /// Reads the descriptor of a note. Total: any bytes give an identity or an error.
    ///
    /// A descriptor longer than this version knows is accepted, its tail left alone. Unknown kinds and ABI versions are
    /// accepted too: refusing them, with both sides named, is the judge's part.
    ///
    /// # Errors
    /// If the descriptor is too short or a field breaks its rule.
    pub fn parse(descriptor: &'a [u8]) -> Result<Identity<'a>, NoteError> {
        if descriptor.len() < DESCRIPTOR_SIZE {
            return Err(NoteError::DescriptorTooShort { size: descriptor.len() });
        }
        let mut fields = Fields { rest: descriptor };
        let identity = Identity {
            abi_major: u16::from_le_bytes(fields.number()?),
            abi_minor: u16::from_le_bytes(fields.number()?),
            kind: u32::from_le_bytes(fields.number()?),
            name: fields.text("name", 64)?,
            version: fields.text("version", 32)?,
            entry: fields.text("entry", 64)?,
            target: fields.text("target", 64)?,
            compiler: fields.text("compiler", 96)?,
            profile: fields.text("profile", 16)?,
            source_digest: fields.text("source_digest", 72)?,
        };
        let rules: [(&'static str, bool); 4] = [
            ("name", rules::is_name(identity.name.as_bytes())),
            ("version", rules::is_semver(identity.version.as_bytes())),
            ("entry", rules::is_name(identity.entry.as_bytes())),
            ("target", rules::is_name(identity.target.as_bytes())),
        ];
        for (field, kept) in rules {
            if !kept {
                return Err(NoteError::Field { field, problem: Problem::BreaksRule });
            }
        }
        Ok(identity)
    }

    /// Whether a panic in the plugin ends the process that has loaded it, as its [`profile`](Identity::profile) says.
    pub fn aborts_on_panic(&self) -> bool {
        aborts_on_panic(self.profile)
    }

    /// The plugin's kind, `None` if this version of the contract does not know it.
    pub fn known_kind(&self) -> Option<Kind> {
        Kind::from_code(self.kind)
    }
}

/// Whether `profile`, as a note records it, is that of a plugin in which a panic ends the process.
pub fn aborts_on_panic(profile: &str) -> bool {
    profile.ends_with("+abort")
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], NoteError> {
        if self.rest.len() < size {
            return Err(NoteError::DescriptorTooShort { size: self.rest.len() });
        }
        let (field, rest) = self.rest.split_at(size);
        self.rest = rest;
        Ok(field)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], NoteError> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        Ok(number)
    }

    fn text(&mut self, field: &'static str, size: usize) -> Result<&'a str, NoteError> {
        let broken = |problem| NoteError::Field { field, problem };
        let bytes = self.take(size)?;
        let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| broken(Problem::NotTerminated))?;
        let (text, padding) = bytes.split_at(end);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(broken(Problem::BytesAfterEnd));
        }
        if !rules::is_printable_ascii(text) {
            return Err(broken(Problem::NotPrintable));
        }
        str::from_utf8(text).map_err(|_| broken(Problem::NotPrintable))
    }
}

/// Why a note could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// A note's sizes point past the end of its segment.
    RunsPastSegment {
        /// Offset of that note in the segment.
        offset: usize,
    },
    /// There is more than one Dynlab note: the file is not one plugin.
    Twice,
    /// The note is ours, but of a type whose layout this version does not know.
    UnknownType {
        /// The type found.
        note_type: u32,
    },
    /// The descriptor is shorter than the first version's.
    DescriptorTooShort {
        /// Its size in bytes.
        size: usize,
    },
    /// A field of the descriptor is not what it must be.
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a field of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No NUL ends the text.
    NotTerminated,
    /// Bytes other than NUL follow the text's end.
    BytesAfterEnd,
    /// The text is not printable ASCII.
    NotPrintable,
    /// The text breaks the rule of its field, see [`Identity`].
    BreaksRule,
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoteError::RunsPastSegment { offset } => {
                write!(f, "the note at offset {offset} runs past the end of its segment")
            }
            NoteError::Twice => f.write_str("there is more than one Dynlab note"),
            NoteError::UnknownType { note_type } => {
                write!(f, "the Dynlab note has type {note_type}, known is {}", super::NOTE_TYPE)
            }
            NoteError::DescriptorTooShort { size } => {
                write!(f, "the note's descriptor has {size} bytes, at least {DESCRIPTOR_SIZE} are needed")
            }
            NoteError::Field { field, problem } => {
                write!(f, "the note's field `{field}` {problem}")
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::NotTerminated => "is not terminated",
            Problem::BytesAfterEnd => "has bytes after its end",
            Problem::NotPrintable => "is not printable ASCII",
            Problem::BreaksRule => "breaks its rule",
        })
    }
}
