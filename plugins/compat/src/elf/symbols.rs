//! Dynamic symbols: what the file asks for and what it offers.

use std::sync::Arc;

use goblin::elf::dynamic::DT_SYMTAB;
use goblin::elf::sym::{
    STB_GLOBAL, STB_GNU_UNIQUE, STB_WEAK, STT_COMMON, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT,
    STT_TLS, STV_HIDDEN, STV_INTERNAL, Sym, Symtab, st_visibility,
};
use serde::{Deserialize, Serialize};

use super::image::{CTX, Image};
use super::versions::{HIDDEN, Versions};
use super::{ElfError, Machine, dynamic::DynamicTable, hash_tables, relocations::References, window::Names};

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
    /// Whether it is a thread-local variable that is reached by its offset from the thread pointer (initial-exec), for which
    /// its definition has to lie in static thread-local storage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub initial_exec: bool,
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
    /// See [`ElfFacts`](super::ElfFacts).
    pub(super) hidden_references: Vec<Arc<str>>,
    /// See [`LoadTraits`](super::LoadTraits).
    pub(super) initial_exec_tls: bool,
    /// See [`LoadTraits`](super::LoadTraits).
    pub(super) indirect_functions: bool,
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
        let references = References::read(image, dynamic, machine, bytes.len() / SYMBOL_SIZE)?;
        let count = hash_tables::symbol_count(image, dynamic)?.max(references.symbol_count());
        let table = Symtab::parse(bytes, 0, count, CTX)
            .map_err(|_| ElfError::malformed("the dynamic symbol table is longer than its segment"))?;

        let mut symbols = Self {
            initial_exec_tls: references.has_unnamed_thread_pointer_offset(),
            indirect_functions: references.has_indirect_relative(),
            ..Self::default()
        };
        for (index, symbol) in table.iter().enumerate().skip(1) {
            let Some(kind) = bindable_kind(&symbol) else { continue };
            let version_index = versions.index(index);
            let version = version_index.and_then(|index| versions.name(index));
            if symbol.st_shndx != 0 {
                symbols.initial_exec_tls |= references.is_thread_pointer_offset(index);
                symbols.indirect_functions |=
                    kind == SymbolKind::IndirectFunction && references.refers_to(index);
                let hidden = version_index.is_some_and(|index| index & HIDDEN != 0);
                if hidden && references.refers_to(index) {
                    symbols.hidden_references.push(names.get(symbol.st_name as u64)?);
                }
                let is_visible = !matches!(st_visibility(symbol.st_other), STV_HIDDEN | STV_INTERNAL);
                let is_placed =
                    symbol.st_value != 0 || symbol.st_shndx == SHN_ABS || kind == SymbolKind::ThreadLocal;
                if is_visible && is_placed {
                    symbols.exports.push(Export {
                        name: names.get(symbol.st_name as u64)?,
                        version: version.map(|name| name.version.clone()),
                        hidden,
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
                    initial_exec: references.is_thread_pointer_offset(index),
                });
            }
        }
        symbols.imports.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        symbols.hidden_references.sort();
        symbols.exports.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        symbols.imports.dedup();
        symbols.exports.dedup();
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
