//! Relocations: which symbols the loader will look up, and in what way.

use goblin::elf::dynamic::{DT_JMPREL, DT_PLTREL, DT_PLTRELSZ, DT_REL, DT_RELA, DT_RELASZ, DT_RELSZ};
use goblin::elf::reloc::{
    R_AARCH64_IRELATIVE, R_AARCH64_TLS_TPREL, R_X86_64_IRELATIVE, R_X86_64_TPOFF32, R_X86_64_TPOFF64,
    RelocSection,
};

use super::image::{CTX, Image};
use super::{ElfError, Machine, dynamic::DynamicTable};

/// Which symbols relocations refer to, and how.
#[derive(Default)]
pub(super) struct References {
    by_symbol: Vec<Reference>,
    unnamed_thread_pointer_offset: bool,
    indirect_relative: bool,
}

#[derive(Clone, Copy, PartialEq, Default)]
enum Reference {
    #[default]
    None,
    Ordinary,
    ThreadPointerOffset,
}

/// What a relocation's type means, as far as it matters here.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Ordinary,
    /// Initial-exec thread-local storage.
    ThreadPointerOffset,
    /// A function of this file that is chosen when it is loaded.
    IndirectRelative,
}

impl References {
    /// Reads all relocations. None may refer to a symbol beyond the first `most_symbols`.
    pub(super) fn read(
        image: &Image<'_>,
        dynamic: &DynamicTable<'_>,
        machine: Machine,
        most_symbols: usize,
    ) -> Result<Self, ElfError> {
        let mut references = Self::default();
        for relocation in tables(image, dynamic)?.iter().flat_map(|table| table.iter()) {
            let meaning = meaning(machine, relocation.r_type);
            let index = relocation.r_sym;
            references.indirect_relative |= meaning == Meaning::IndirectRelative;
            if index == 0 {
                references.unnamed_thread_pointer_offset |= meaning == Meaning::ThreadPointerOffset;
                continue;
            }
            if index >= most_symbols {
                return Err(ElfError::malformed("a relocation refers to a symbol beyond the symbol table"));
            }
            references.note(index, meaning);
        }
        Ok(references)
    }

    /// One past the last symbol referred to.
    pub(super) fn symbol_count(&self) -> usize {
        self.by_symbol.len()
    }

    pub(super) fn refers_to(&self, symbol: usize) -> bool {
        self.by_symbol.get(symbol).is_some_and(|reference| *reference != Reference::None)
    }

    pub(super) fn is_thread_pointer_offset(&self, symbol: usize) -> bool {
        self.by_symbol.get(symbol) == Some(&Reference::ThreadPointerOffset)
    }

    /// Whether the initial-exec model is used for thread-local storage of the file itself that has no symbol.
    pub(super) fn has_unnamed_thread_pointer_offset(&self) -> bool {
        self.unnamed_thread_pointer_offset
    }

    /// Whether a function of the file itself is chosen when it is loaded.
    pub(super) fn has_indirect_relative(&self) -> bool {
        self.indirect_relative
    }

    fn note(&mut self, symbol: usize, meaning: Meaning) {
        if symbol >= self.by_symbol.len() {
            self.by_symbol.resize(symbol + 1, Reference::None);
        }
        let reference = &mut self.by_symbol[symbol];
        if meaning == Meaning::ThreadPointerOffset {
            *reference = Reference::ThreadPointerOffset;
        } else if *reference == Reference::None {
            *reference = Reference::Ordinary;
        }
    }
}

fn meaning(machine: Machine, kind: u32) -> Meaning {
    match (machine, kind) {
        (Machine::X86_64, R_X86_64_TPOFF64 | R_X86_64_TPOFF32) | (Machine::Aarch64, R_AARCH64_TLS_TPREL) => {
            Meaning::ThreadPointerOffset
        }
        (Machine::X86_64, R_X86_64_IRELATIVE) | (Machine::Aarch64, R_AARCH64_IRELATIVE) => {
            Meaning::IndirectRelative
        }
        _ => Meaning::Ordinary,
    }
}

/// The tables of relocations that may name symbols. DT_RELR holds relative ones only.
fn tables<'a>(image: &Image<'a>, dynamic: &DynamicTable<'a>) -> Result<Vec<RelocSection<'a>>, ElfError> {
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
