//! Symbol versions: GNU's `.gnu.version`, `.gnu.version_r` and `.gnu.version_d` as the dynamic table points to them.
//!
//! Source: the chapter "Symbol Versioning" of the Linux Standard Base, Core generic part.

use std::collections::BTreeMap;
use std::sync::Arc;

use goblin::elf::dynamic::{DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM, DT_VERSYM};
use serde::{Deserialize, Serialize};

use super::limits::{MOST_VERSION_ENTRIES, MOST_VERSIONS};
use super::{ElfError, Window, dynamic::DynamicTable, image::Image, window::Names};

const VER_FLG_BASE: u16 = 1;
const VER_FLG_WEAK: u16 = 2;
/// Set in a symbol's version index when only references that name this version may bind to it.
pub(super) const HIDDEN: u16 = 0x8000;

/// A version that a library must define.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequiredVersion {
    /// The library that must define it, by the name the file gives: `libc.so.6`.
    pub library: Arc<str>,
    /// The version's name: `GLIBC_2.34`.
    pub version: Arc<str>,
    /// Whether the loader may go on without it.
    pub weak: bool,
}

/// What a version index in `.gnu.version` stands for.
#[derive(Clone)]
pub(super) struct VersionName {
    pub(super) version: Arc<str>,
    /// The library a required version comes from; none for a version this file defines.
    pub(super) library: Option<Arc<str>>,
}

/// All version facts of one file.
#[derive(Default)]
pub(super) struct Versions<'a> {
    indices: Option<Window<'a>>,
    names: BTreeMap<u16, VersionName>,
    pub(super) required: Vec<RequiredVersion>,
    pub(super) defined: Vec<Arc<str>>,
}

impl<'a> Versions<'a> {
    pub(super) fn read(
        image: &Image<'a>,
        dynamic: &DynamicTable<'a>,
        names: &Names<'_>,
    ) -> Result<Self, ElfError> {
        let mut versions = Self::default();
        if let Some(address) = dynamic.value(DT_VERSYM) {
            let bytes = image.at(address).ok_or_else(outside)?;
            versions.indices = Some(Window(bytes));
        }
        if let (Some(address), Some(count)) = (dynamic.value(DT_VERNEED), dynamic.value(DT_VERNEEDNUM)) {
            versions.read_required(Window(image.at(address).ok_or_else(outside)?), count, names)?;
        }
        if let (Some(address), Some(count)) = (dynamic.value(DT_VERDEF), dynamic.value(DT_VERDEFNUM)) {
            versions.read_defined(Window(image.at(address).ok_or_else(outside)?), count, names)?;
        }
        Ok(versions)
    }

    /// Version index of a symbol with its hidden bit; none if the file has no version indices.
    pub(super) fn index(&self, symbol: usize) -> Option<u16> {
        self.indices?.u16(symbol.checked_mul(2)?)
    }

    /// Whether the file's symbols have version indices at all.
    pub(super) fn are_there(&self) -> bool {
        self.indices.is_some()
    }

    pub(super) fn name(&self, index: u16) -> Option<&VersionName> {
        self.names.get(&(index & !HIDDEN))
    }

    fn read_required(&mut self, table: Window<'_>, count: u64, names: &Names<'_>) -> Result<(), ElfError> {
        let mut steps = Steps::within(table);
        let mut at = 0;
        for _ in 0..count {
            steps.take()?;
            let library = names.get(u64::from(table.u32(at + 4).ok_or_else(outside)?))?;
            let versions_of_library = table.u16(at + 2).ok_or_else(outside)?;
            let mut entry = at + table.u32(at + 8).ok_or_else(outside)? as usize;
            for _ in 0..versions_of_library {
                steps.take()?;
                let weak = table.u16(entry + 4).ok_or_else(outside)? & VER_FLG_WEAK != 0;
                let index = table.u16(entry + 6).ok_or_else(outside)? & !HIDDEN;
                let version = names.get(u64::from(table.u32(entry + 8).ok_or_else(outside)?))?;
                let name = VersionName { version: version.clone(), library: Some(library.clone()) };
                self.names.insert(index, name);
                let required = RequiredVersion { library: library.clone(), version, weak };
                // Where tables overlap, one entry is read many times. One too many is for `limits` to refuse.
                if self.required.len() <= MOST_VERSIONS && !self.required.contains(&required) {
                    self.required.push(required);
                }
                match table.u32(entry + 12).ok_or_else(outside)? {
                    0 => break,
                    next => entry += next as usize,
                }
            }
            match table.u32(at + 12).ok_or_else(outside)? {
                0 => break,
                next => at += next as usize,
            }
        }
        Ok(())
    }

    fn read_defined(&mut self, table: Window<'_>, count: u64, names: &Names<'_>) -> Result<(), ElfError> {
        let mut steps = Steps::within(table);
        let mut at = 0;
        for _ in 0..count {
            steps.take()?;
            let flags = table.u16(at + 2).ok_or_else(outside)?;
            let index = table.u16(at + 4).ok_or_else(outside)? & !HIDDEN;
            // The first auxiliary entry is the version itself, the others are the versions it inherits from.
            let auxiliary = at + table.u32(at + 12).ok_or_else(outside)? as usize;
            if flags & VER_FLG_BASE == 0 {
                let version = names.get(u64::from(table.u32(auxiliary).ok_or_else(outside)?))?;
                let name = VersionName { version: version.clone(), library: None };
                self.names.insert(index, name);
                if self.defined.len() <= MOST_VERSIONS {
                    self.defined.push(version);
                }
            }
            match table.u32(at + 16).ok_or_else(outside)? {
                0 => break,
                next => at += next as usize,
            }
        }
        Ok(())
    }
}

/// Entries may overlap in a hostile file; they are counted so that reading takes no longer than for an honest one.
struct Steps(usize);

impl Steps {
    const SMALLEST_ENTRY: usize = 16;

    fn within(table: Window<'_>) -> Self {
        Self((table.0.len() / Self::SMALLEST_ENTRY).min(MOST_VERSION_ENTRIES))
    }

    fn take(&mut self) -> Result<(), ElfError> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or_else(|| ElfError::malformed("the symbol version tables hold more entries than fit"))?;
        Ok(())
    }
}

fn outside() -> ElfError {
    ElfError::malformed("the symbol version tables lie outside the loaded segments")
}
