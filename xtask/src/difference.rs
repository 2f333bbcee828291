//! Where two files differ that should be the same, in terms of what they are: the section of an ELF file, the member of an archive, the
//! value in JSON, the line of a text; and by what, where that can be recognised.
//!
//! Pure: bytes in, words out. What cannot be read as what it seems to be is compared byte by byte.

mod ar;
mod archive;
mod cause;
mod elf;
mod excerpt;
mod gzip;
mod json;
mod tarball;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

pub(crate) use self::cause::{Cause, Clue, Clues, Trace};

/// Archives in archives are opened so deep.
const DEPTH: usize = 6;

/// The first difference of two files; of several parts that differ the first whose cause is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Where, from the outside to the inside: `member a.o`, `section .rodata`, `offset 0x10`.
    pub(crate) place: Vec<String>,
    /// What the first file has there.
    pub(crate) first: String,
    /// What the second has.
    pub(crate) second: String,
    /// What it probably comes from.
    pub(crate) cause: Option<Cause>,
    /// How many further sections, members or values differ.
    pub(crate) others: usize,
}

/// The difference of two files, if there is one. `clues` tell what their builds may have left in them.
pub(crate) fn find(first: &[u8], second: &[u8], clues: &Clues) -> Option<Difference> {
    (first != second).then(|| look(Pair { first, second, clues, depth: DEPTH }))
}

/// The first place at which two files differ, which may be the end of the shorter one; `None` if they are the same.
pub(crate) fn first_byte(first: &[u8], second: &[u8]) -> Option<usize> {
    (first != second).then(|| first_differing(first, second))
}

impl fmt::Display for Difference {
    /// One line, without the cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} and {}", self.place.join(", "), self.first, self.second)
    }
}

impl Difference {
    fn at(place: String, first: String, second: String, cause: Option<Cause>) -> Difference {
        Difference { place: vec![place], first, second, cause, others: 0 }
    }

    /// The same, seen from outside of `place`.
    fn within(mut self, place: String) -> Difference {
        self.place.insert(0, place);
        self
    }

    /// Of the differences in parts of one thing that one which tells most; the others are counted.
    fn choose(found: Vec<Difference>) -> Option<Difference> {
        let others = found.len().saturating_sub(1);
        let at = found.iter().position(|one| one.cause.is_some()).unwrap_or(0);
        let chosen = found.into_iter().nth(at)?;
        Some(Difference { others: chosen.others + others, ..chosen })
    }
}

/// Two contents that differ.
#[derive(Clone, Copy)]
struct Pair<'a> {
    first: &'a [u8],
    second: &'a [u8],
    clues: &'a Clues,
    /// How many archives may still be opened.
    depth: usize,
}

/// What a file is, by how it begins.
#[derive(PartialEq, Eq)]
enum Kind {
    Elf,
    Ar,
    Tar,
    Gzip,
    Text,
    Other,
}

impl Kind {
    fn of(content: &[u8]) -> Kind {
        if content.starts_with(b"\x7fELF") {
            Kind::Elf
        } else if content.starts_with(ar::MAGIC) {
            Kind::Ar
        } else if content.get(257..262) == Some(b"ustar") {
            Kind::Tar
        } else if content.starts_with(&gzip::MAGIC) {
            Kind::Gzip
        } else if !content.contains(&0) && std::str::from_utf8(content).is_ok() {
            Kind::Text
        } else {
            Kind::Other
        }
    }
}

fn look(pair: Pair<'_>) -> Difference {
    inside(pair).unwrap_or_else(|| plain(pair))
}

/// The difference in terms of what both are; `None` if they are not the same kind of thing, or damaged.
fn inside(pair: Pair<'_>) -> Option<Difference> {
    let kind = Kind::of(pair.first);
    if kind != Kind::of(pair.second) {
        return None;
    }
    let deeper = Pair { depth: pair.depth.checked_sub(1)?, ..pair };
    match kind {
        Kind::Elf => elf::difference(pair),
        Kind::Ar => archive::difference(deeper, ar::members),
        Kind::Tar => archive::difference(deeper, tarball::members),
        Kind::Gzip => gzip::difference(deeper),
        Kind::Text => json::difference(pair).or_else(|| text::difference(pair)),
        Kind::Other => None,
    }
}

/// The first byte that differs, whatever it is.
fn plain(pair: Pair<'_>) -> Difference {
    let at = first_differing(pair.first, pair.second);
    bytes(pair, at, format!("byte {at}"))
}

/// The difference at a byte of both, which is called `place`.
fn bytes(pair: Pair<'_>, at: usize, place: String) -> Difference {
    let cause = cause::recognise(pair.first, pair.second, at, pair.clues);
    Difference::at(place, excerpt::of(pair.first, at), excerpt::of(pair.second, at), cause)
}

/// The number of bytes that two contents begin with alike.
fn first_differing(first: &[u8], second: &[u8]) -> usize {
    let shorter = first.len().min(second.len());
    first.iter().zip(second).position(|(one, other)| one != other).unwrap_or(shorter)
}
