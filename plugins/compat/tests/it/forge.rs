//! Writes ELF files byte by byte, which no linker would write.

use std::collections::BTreeMap;

const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

/// A 64-bit little-endian shared object in the making. Everything lies at the address that is its offset in the file.
#[derive(Default)]
pub(crate) struct Forge {
    body: Vec<u8>,
    segments: Vec<(u32, usize, usize)>,
    entries: Vec<(u64, u64)>,
    strings: Vec<u8>,
    known: BTreeMap<String, u64>,
    symbols: Vec<u8>,
    versions: Vec<u8>,
    relocations: Vec<u8>,
}

impl Forge {
    /// With nothing in it.
    pub(crate) fn new() -> Self {
        Self { strings: vec![0], symbols: vec![0; 24], versions: vec![0; 2], ..Self::default() }
    }

    /// Adds bytes to what is loaded, and says where they lie.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> usize {
        self.body.resize(self.body.len().next_multiple_of(8), 0);
        let at = HEADER + self.body.len();
        self.body.extend(bytes);
        at
    }

    /// A program header of this type for what lies there.
    pub(crate) fn segment(&mut self, kind: u32, at: usize, length: usize) {
        self.segments.push((kind, at, length));
    }

    /// An entry of the dynamic table.
    pub(crate) fn entry(&mut self, tag: u64, value: u64) {
        self.entries.push((tag, value));
    }

    /// An entry of the dynamic table that names something.
    pub(crate) fn named_entry(&mut self, tag: u64, name: &str) {
        let name = self.name(name);
        self.entry(tag, name);
    }

    /// Where a name lies in the string table.
    pub(crate) fn name(&mut self, name: &str) -> u64 {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let at = self.strings.len() as u64;
        self.strings.extend(name.bytes().chain([0]));
        self.known.insert(name.to_owned(), at);
        at
    }

    /// A global function that is defined, with the index of its version.
    pub(crate) fn export(&mut self, name: &str, version: u16) {
        self.symbol(name, 1, version);
    }

    /// A global function that is asked for, with the index of its version.
    pub(crate) fn import(&mut self, name: &str, version: u16) {
        let index = (self.symbols.len() / 24) as u64;
        self.symbol(name, 0, version);
        // R_X86_64_GLOB_DAT, whose number means something ordinary everywhere.
        let words = [HEADER as u64, index << 32 | 6, 0];
        self.relocations.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn symbol(&mut self, name: &str, section: u16, version: u16) {
        let name = self.name(name) as u32;
        self.symbols.extend(name.to_le_bytes());
        self.symbols.extend([0x12, 0]);
        self.symbols.extend(section.to_le_bytes());
        self.symbols.extend((HEADER as u64).to_le_bytes());
        self.symbols.extend([0; 8]);
        self.versions.extend(version.to_le_bytes());
    }

    /// Versions that are required of one library, which get the indices from 2 on.
    pub(crate) fn require(&mut self, library: &str, versions: &[String]) {
        let library = self.name(library) as u32;
        let mut table = Vec::new();
        table.extend(1u16.to_le_bytes());
        table.extend((versions.len() as u16).to_le_bytes());
        table.extend([library, 16, 0].iter().flat_map(|word| word.to_le_bytes()));
        for (index, version) in versions.iter().enumerate() {
            let name = self.name(version) as u32;
            let next: u32 = if index + 1 < versions.len() { 16 } else { 0 };
            table.extend(0u32.to_le_bytes());
            table.extend(0u16.to_le_bytes());
            table.extend((index as u16 + 2).to_le_bytes());
            table.extend([name, next].iter().flat_map(|word| word.to_le_bytes()));
        }
        let at = self.place(&table) as u64;
        self.entry(0x6fff_fffe, at);
        self.entry(0x6fff_ffff, 1);
    }

    /// Versions that are defined, which get the indices from 2 on.
    pub(crate) fn define(&mut self, versions: &[String]) {
        let mut table = Vec::new();
        for (index, version) in versions.iter().enumerate() {
            let name = self.name(version) as u32;
            let next: u32 = if index + 1 < versions.len() { 28 } else { 0 };
            table.extend([1u16, 0, index as u16 + 2, 1].iter().flat_map(|half| half.to_le_bytes()));
            table.extend([0u32, 20, next, name, 0].iter().flat_map(|word| word.to_le_bytes()));
        }
        let at = self.place(&table) as u64;
        self.entry(0x6fff_fffc, at);
        self.entry(0x6fff_fffd, versions.len() as u64);
    }

    /// The whole file.
    pub(crate) fn file(mut self) -> Vec<u8> {
        let count = self.symbols.len() / 24;
        let symbols = std::mem::take(&mut self.symbols);
        let symbols = self.place(&symbols) as u64;
        let hash = [1u32, count as u32, 0, 0].map(u32::to_le_bytes).concat();
        let hash = self.place(&hash) as u64;
        let versions = std::mem::take(&mut self.versions);
        let versions = self.place(&versions) as u64;
        let relocations = std::mem::take(&mut self.relocations);
        let relocated = relocations.len() as u64;
        let relocations = self.place(&relocations) as u64;
        let strings = std::mem::take(&mut self.strings);
        let named = strings.len() as u64;
        let strings = self.place(&strings) as u64;
        // Tags: symbol table, hash table, versions of symbols, relocations with addends and their size, string table and its size.
        let last = [(6, symbols), (4, hash), (0x6fff_fff0, versions), (7, relocations), (8, relocated)];
        self.entries.extend(last);
        self.entries.extend([(5, strings), (10, named), (0, 0)]);
        let table: Vec<u8> =
            self.entries.iter().flat_map(|(tag, value)| [*tag, *value]).flat_map(u64::to_le_bytes).collect();
        let dynamic = self.place(&table);
        self.segments.push((2, dynamic, table.len()));
        let count = self.segments.len() + 1;
        let headers = self.place(&vec![0; count * PROGRAM_HEADER]);
        let length = HEADER + self.body.len();
        self.segments.push((1, 0, length));
        let mut at = headers - HEADER;
        for (kind, offset, size) in &self.segments {
            let words = [*offset, *offset, *offset, *size, *size, 8].map(|word| (word as u64).to_le_bytes());
            self.body[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            self.body[at + 4..at + 8].copy_from_slice(&4u32.to_le_bytes());
            self.body[at + 8..at + PROGRAM_HEADER].copy_from_slice(&words.concat());
            at += PROGRAM_HEADER;
        }
        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let machine: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };
        file.extend([3, machine].iter().flat_map(|half| half.to_le_bytes()));
        file.extend(1u32.to_le_bytes());
        file.extend([0, headers as u64, 0].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        let halves = [HEADER as u16, PROGRAM_HEADER as u16, count as u16, 64, 0, 0];
        file.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        file.extend(self.body);
        file
    }
}
