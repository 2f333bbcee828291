//! Dynamic symbols: what the file asks for and what it offers.

use std::sync::Arc;

use goblin::elf::dynamic::{
    DT_GNU_HASH, DT_HASH, DT_JMPREL, DT_PLTREL, DT_PLTRELSZ, DT_REL, DT_RELA, DT_RELASZ, DT_RELSZ, DT_SYMTAB,
};
use goblin::elf::reloc::{R_AARCH64_TLS_TPREL, R_X86_64_TPOFF32, R_X86_64_TPOFF64, RelocSection};
use goblin::elf::sym::{
    STB_GLOBAL, STB_GNU_UNIQUE, STB_WEAK, STT_COMMON, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT,
    STT_TLS, Sym, Symtab,
};
use serde::{Deserialize, Serialize};

use super::image::{CTX, Image};
use super::versions::{HIDDEN, Versions};
use super::{ElfError, Machine, Window, dynamic::DynamicTable, window::Names};

const SYMBOL_SIZE: usize = 24;

/// What a symbol stands for, `ELF64_ST_TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SymbolKind {
    /// STT_FUNC.
    Function,
    /// STT_OBJECT and STT_COMMON.
    Object,
    /// STT_TLS: a thread-local variable.
    ThreadLocal,
    /// STT_GNU_IFUNC: a function chosen when the library is loaded; musl does not know it.
    IndirectFunction,
    /// STT_NOTYPE, which most undefined symbols are.
    Unspecified,
}

/// A symbol that a relocation refers to and that this file does not define.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Import {
    /// The symbol's name.
    pub name: Arc<str>,
    /// The version asked for, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// The library that version was seen in at link time. The loader takes it from any library in scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<Arc<str>>,
    /// What it stands for, as far as the file says.
    pub kind: SymbolKind,
    /// Whether it may stay without definition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weak: bool,
}

/// A symbol that this file defines for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Export {
    /// The symbol's name.
    pub name: Arc<str>,
    /// Its version, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// Whether only references that name the version bind to it (`name@VERSION` and not `name@@VERSION`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// What it stands for.
    pub kind: SymbolKind,
}

/// Both sides of the symbol table, each sorted by name.
#[derive(Default)]
pub(super) struct Symbols {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<Export>,
    pub(super) initial_exec_tls: bool,
}

impl Symbols {
    pub(super) fn read<'a>(
        image: &Image<'a>,
        dynamic: &DynamicTable<'a>,
        names: &Names<'_>,
        versions: &Versions<'_>,
        machine: Machine,
    ) -> Result<Self, ElfError> {
        let Some(address) = dynamic.value(DT_SYMTAB) else { return Ok(Self::default()) };
        let bytes = image.at(address).ok_or_else(|| {
            ElfError::malformed("the dynamic symbol table lies outside the loaded segments")
        })?;
        let relocations = relocation_tables(image, dynamic)?;
        let references = References::read(&relocations, machine, bytes.len() / SYMBOL_SIZE)?;
        let count = symbol_count(image, dynamic)?.max(references.referenced.len());
        let table = Symtab::parse(bytes, 0, count, CTX)
            .map_err(|_| ElfError::malformed("the dynamic symbol table is longer than its segment"))?;

        let mut symbols = Self { initial_exec_tls: references.own_thread_pointer_offset, ..Self::default() };
        for (index, symbol) in table.iter().enumerate().skip(1) {
            let Some(kind) = bindable_kind(&symbol) else { continue };
            let version_index = versions.index(index);
            let version = version_index.and_then(|index| versions.name(index));
            if symbol.st_shndx != 0 {
                if references.is_thread_pointer_offset(index) {
                    symbols.initial_exec_tls = true;
                }
                if symbol.st_value != 0 || symbol.st_shndx == SHN_ABS || kind == SymbolKind::ThreadLocal {
                    symbols.exports.push(Export {
                        name: names.get(symbol.st_name as u64)?,
                        version: version.map(|name| name.version.clone()),
                        hidden: version_index.is_some_and(|index| index & HIDDEN != 0),
                        kind,
                    });
                }
            } else if references.refers_to(index) {
                symbols.imports.push(Import {
                    name: names.get(symbol.st_name as u64)?,
                    version: version.map(|name| name.version.clone()),
                    library: version.and_then(|name| name.library.clone()),
                    kind,
                    weak: symbol.st_bind() == STB_WEAK,
                });
            }
        }
        symbols.imports.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        symbols.exports.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(symbols)
    }
}

const SHN_ABS: usize = 0xfff1;

/// The kind of a symbol that takes part in binding between libraries; none for local and unknown ones.
fn bindable_kind(symbol: &Sym) -> Option<SymbolKind> {
    if !matches!(symbol.st_bind(), STB_GLOBAL | STB_WEAK | STB_GNU_UNIQUE) {
        return None;
    }
    match symbol.st_type() {
        STT_NOTYPE => Some(SymbolKind::Unspecified),
        STT_OBJECT | STT_COMMON => Some(SymbolKind::Object),
        STT_FUNC => Some(SymbolKind::Function),
        STT_TLS => Some(SymbolKind::ThreadLocal),
        STT_GNU_IFUNC => Some(SymbolKind::IndirectFunction),
        _ => None,
    }
}

/// The tables of relocations that may name symbols. DT_RELR holds relative ones only.
fn relocation_tables<'a>(
    image: &Image<'a>,
    dynamic: &DynamicTable<'a>,
) -> Result<Vec<RelocSection<'a>>, ElfError> {
    let procedure_linkage_has_addends = dynamic.value(DT_PLTREL) != Some(DT_REL);
    let tables = [
        (DT_RELA, DT_RELASZ, true),
        (DT_REL, DT_RELSZ, false),
        (DT_JMPREL, DT_PLTRELSZ, procedure_linkage_has_addends),
    ];
    let mut found = Vec::new();
    for (address_tag, size_tag, has_addends) in tables {
        let (Some(address), Some(size)) = (dynamic.value(address_tag), dynamic.value(size_tag)) else {
            continue;
        };
        if size == 0 {
            continue;
        }
        let outside = || ElfError::malformed("a relocation table lies outside the loaded segments");
        let bytes = image.table(address, size).ok_or_else(outside)?;
        found.push(RelocSection::parse(bytes, 0, bytes.len(), has_addends, CTX).map_err(|_| outside())?);
    }
    Ok(found)
}

/// Which symbols relocations refer to, and how.
struct References {
    referenced: Vec<Reference>,
    /// A relocation of the initial-exec model against the file's own, unnamed thread-local storage.
    own_thread_pointer_offset: bool,
}

#[derive(Clone, Copy, PartialEq, Default)]
enum Reference {
    #[default]
    None,
    Ordinary,
    ThreadPointerOffset,
}

impl References {
    fn read(tables: &[RelocSection<'_>], machine: Machine, most_symbols: usize) -> Result<Self, ElfError> {
        let is_thread_pointer_offset = |kind: u32| match machine {
            Machine::X86_64 => matches!(kind, R_X86_64_TPOFF64 | R_X86_64_TPOFF32),
            Machine::Aarch64 => kind == R_AARCH64_TLS_TPREL,
            _ => false,
        };
        let mut references = Self { referenced: Vec::new(), own_thread_pointer_offset: false };
        for relocation in tables.iter().flat_map(|table| table.iter()) {
            let offset = is_thread_pointer_offset(relocation.r_type);
            let index = relocation.r_sym;
            if index == 0 {
                references.own_thread_pointer_offset |= offset;
                continue;
            }
            if index >= most_symbols {
                return Err(ElfError::malformed("a relocation refers to a symbol beyond the symbol table"));
            }
            if index >= references.referenced.len() {
                references.referenced.resize(index + 1, Reference::None);
            }
            let reference = &mut references.referenced[index];
            if offset {
                *reference = Reference::ThreadPointerOffset;
            } else if *reference == Reference::None {
                *reference = Reference::Ordinary;
            }
        }
        Ok(references)
    }

    fn refers_to(&self, index: usize) -> bool {
        self.referenced.get(index).is_some_and(|reference| *reference != Reference::None)
    }

    fn is_thread_pointer_offset(&self, index: usize) -> bool {
        self.referenced.get(index) == Some(&Reference::ThreadPointerOffset)
    }
}

/// How many symbols the hash tables know. The dynamic table does not say how long the symbol table is.
fn symbol_count(image: &Image<'_>, dynamic: &DynamicTable<'_>) -> Result<usize, ElfError> {
    let unreadable = || ElfError::malformed("a symbol hash table lies outside the loaded segments");
    let mut count = 0;
    if let Some(address) = dynamic.value(DT_HASH) {
        let table = Window(image.at(address).ok_or_else(unreadable)?);
        count = table.u32(4).ok_or_else(unreadable)? as usize;
    }
    if let Some(address) = dynamic.value(DT_GNU_HASH) {
        let table = Window(image.at(address).ok_or_else(unreadable)?);
        count = count.max(gnu_hash_symbol_count(table).ok_or_else(unreadable)?);
    }
    Ok(count)
}

/// One past the last symbol in a GNU hash table: the end of the chain that starts last.
/// Layout: four words (bucket count, first hashed symbol, filter words, shift), filter, buckets, chains.
fn gnu_hash_symbol_count(table: Window<'_>) -> Option<usize> {
    let buckets = table.u32(0)? as usize;
    let first_hashed = table.u32(4)? as usize;
    let filter_words = table.u32(8)? as usize;
    let buckets_at = 16usize.checked_add(filter_words.checked_mul(8)?)?;
    let chains_at = buckets_at.checked_add(buckets.checked_mul(4)?)?;
    table.slice(buckets_at, buckets.checked_mul(4)?)?;
    let last_chain = (0..buckets).filter_map(|bucket| table.u32(buckets_at + bucket * 4)).max().unwrap_or(0);
    if last_chain == 0 {
        return Some(first_hashed.min(1));
    }
    let mut symbol = last_chain as usize;
    loop {
        let at = chains_at.checked_add(symbol.checked_sub(first_hashed)?.checked_mul(4)?)?;
        symbol += 1;
        if table.u32(at)? & 1 != 0 {
            return Some(symbol);
        }
    }
}
