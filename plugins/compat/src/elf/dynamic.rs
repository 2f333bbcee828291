//! The dynamic table: what the loader is told to do.

use std::sync::Arc;

use goblin::elf::dynamic::{
    DF_1_NODEFLIB, DF_1_NOOPEN, DF_1_NOW, DF_1_PIE, DF_BIND_NOW, DF_STATIC_TLS, DF_TEXTREL, DT_BIND_NOW,
    DT_FLAGS, DT_FLAGS_1, DT_GNU_HASH, DT_HASH, DT_NEEDED, DT_NULL, DT_RPATH, DT_RUNPATH, DT_SONAME,
    DT_STRSZ, DT_STRTAB, DT_TEXTREL,
};

use super::limits::{MOST_FOLDERS, MOST_NEEDED};
use super::{ElfError, Filtee, HashTables, Window, image::Image, window::Names};

/// DT_RELR, generic ABI: relative relocations in packed form.
pub(super) const DT_RELR: u64 = 36;
/// Libraries that stand in for the file's own symbols; see Oracle's *Linkers and Libraries Guide*, "Shared Objects as Filters".
const DT_AUXILIARY: u64 = 0x7fff_fffd;
const DT_FILTER: u64 = 0x7fff_ffff;

/// The entries up to the terminator.
pub(super) struct DynamicTable<'a>(Window<'a>);

impl<'a> DynamicTable<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Window(bytes))
    }

    fn entries(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (0..)
            .map_while(|index: usize| Some((self.0.u64(index * 16)?, self.0.u64(index * 16 + 8)?)))
            .take_while(|(tag, _)| *tag != DT_NULL)
    }

    /// The value of the last entry with this tag, which is the one both loaders keep.
    pub(super) fn value(&self, tag: u64) -> Option<u64> {
        self.entries().filter(|(found, _)| *found == tag).last().map(|(_, value)| value)
    }

    pub(super) fn names(&self, image: &Image<'a>) -> Result<Names<'a>, ElfError> {
        let (Some(address), Some(size)) = (self.value(DT_STRTAB), self.value(DT_STRSZ)) else {
            return Err(ElfError::malformed("the dynamic table names no string table"));
        };
        let table = image.table(address, size).ok_or_else(|| {
            ElfError::malformed("the dynamic string table lies outside the loaded segments")
        })?;
        Ok(Names::new(table, image.file_length()))
    }

    pub(super) fn needed(&self, names: &Names<'_>) -> Result<Vec<Arc<str>>, ElfError> {
        let needed = self.entries().filter(|(tag, _)| *tag == DT_NEEDED);
        // One more than is allowed, so that there is something to refuse.
        needed.take(MOST_NEEDED + 1).map(|(_, offset)| names.get(offset)).collect()
    }

    pub(super) fn filtees(&self, names: &Names<'_>) -> Result<Vec<Filtee>, ElfError> {
        self.entries()
            .filter(|(tag, _)| matches!(*tag, DT_AUXILIARY | DT_FILTER))
            .take(MOST_NEEDED + 1)
            .map(|(tag, offset)| Ok(Filtee { library: names.get(offset)?, required: tag == DT_FILTER }))
            .collect()
    }

    pub(super) fn hash_tables(&self) -> HashTables {
        HashTables { gnu: self.value(DT_GNU_HASH).is_some(), sysv: self.value(DT_HASH).is_some() }
    }

    pub(super) fn soname(&self, names: &Names<'_>) -> Result<Option<Arc<str>>, ElfError> {
        self.value(DT_SONAME).map(|offset| names.get(offset)).transpose()
    }

    /// Folders of DT_RPATH, an empty one being the working directory, searched before the environment's; empty where DT_RUNPATH takes their place.
    pub(super) fn rpath(&self, names: &Names<'_>) -> Result<Vec<String>, ElfError> {
        if self.value(DT_RUNPATH).is_some() { Ok(Vec::new()) } else { self.folders(DT_RPATH, names) }
    }

    /// Folders of DT_RUNPATH, searched after the environment's and only for this object's own needs.
    pub(super) fn runpath(&self, names: &Names<'_>) -> Result<Vec<String>, ElfError> {
        self.folders(DT_RUNPATH, names)
    }

    pub(super) fn is_pie(&self) -> bool {
        self.has_flag_1(DF_1_PIE)
    }

    pub(super) fn forbids_opening(&self) -> bool {
        self.has_flag_1(DF_1_NOOPEN)
    }

    pub(super) fn skips_default_folders(&self) -> bool {
        self.has_flag_1(DF_1_NODEFLIB)
    }

    pub(super) fn binds_now(&self) -> bool {
        self.value(DT_BIND_NOW).is_some() || self.has_flag(DF_BIND_NOW) || self.has_flag_1(DF_1_NOW)
    }

    pub(super) fn text_relocations(&self) -> bool {
        self.value(DT_TEXTREL).is_some() || self.has_flag(DF_TEXTREL)
    }

    pub(super) fn declares_static_tls(&self) -> bool {
        self.has_flag(DF_STATIC_TLS)
    }

    fn has_flag(&self, flag: u64) -> bool {
        self.value(DT_FLAGS).is_some_and(|flags| flags & flag != 0)
    }

    fn has_flag_1(&self, flag: u64) -> bool {
        self.value(DT_FLAGS_1).is_some_and(|flags| flags & flag != 0)
    }

    fn folders(&self, tag: u64, names: &Names<'_>) -> Result<Vec<String>, ElfError> {
        let Some(offset) = self.value(tag) else { return Ok(Vec::new()) };
        let list = names.get(offset)?;
        if list.is_empty() {
            return Ok(Vec::new());
        }
        if list.split(':').nth(MOST_FOLDERS).is_some() {
            return Err(ElfError::malformed("its run path has more than 1024 folders"));
        }
        Ok(list.split(':').map(str::to_owned).collect())
    }
}
