//! A file as the dynamic loader lays it out: symbols by name, and pointers as relocations leave them. 64-bit and little-endian, as
//! every target is for which there is a Debian with nginx's modules.
//!
//! Sources: ELF generic ABI, chapters 4 and 5; for the relocation types the psABIs of x86-64 and AArch64; for the GNU hash table, which has
//! no other description, `do_lookup_x` in glibc's elf/dl-lookup.c.

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_GNU_HASH: u64 = 0x6fff_fef5;

const SYMBOL_SIZE: u64 = 24;
const RELOCATION_SIZE: usize = 24;
/// `R_X86_64_64`, `R_X86_64_GLOB_DAT`, `R_AARCH64_ABS64`, `R_AARCH64_GLOB_DAT`: a symbol's address and what is added to it.
const OF_SYMBOL: [u32; 4] = [1, 6, 257, 1025];
/// `R_X86_64_RELATIVE`, `R_AARCH64_RELATIVE`: the address where the file is loaded and what is added to it.
const RELATIVE: [u32; 2] = [8, 1027];

/// Longer names and signatures than any nginx has.
const LONGEST_TEXT: usize = 1024;
/// More symbols than a bucket of a hash table has in any file that a linker made.
const LONGEST_CHAIN: u32 = 4096;

/// A file as it would lie in memory if it were loaded at address 0.
pub(crate) struct Loaded<'a> {
    segments: Vec<Segment<'a>>,
    dynamic: &'a [u8],
}

/// What a pointer is after relocation.
pub(crate) struct Pointer {
    /// The address in this file.
    pub(crate) address: u64,
    /// The symbol by which it is bound. If the program, or a library that was loaded before, has one of that name, the pointer leads there
    /// and not into this file.
    pub(crate) symbol: Option<String>,
}

struct Segment<'a> {
    address: u64,
    /// What lies in the file.
    bytes: &'a [u8],
    /// Its length in memory; what goes beyond the file is zero.
    length: u64,
}

impl<'a> Loaded<'a> {
    /// `None` if the file is of another form, or contradicts itself.
    pub(crate) fn of(file: &'a [u8]) -> Option<Self> {
        let is_read = file.starts_with(b"\x7fELF\x02\x01");
        let (table, size, count) = (u64_at(file, 32)?, u16_at(file, 54)?, u16_at(file, 56)?);
        if !is_read || size != 56 {
            return None;
        }
        let table = file.get(usize::try_from(table).ok()?..)?;
        let (mut segments, mut dynamic) = (Vec::new(), None);
        for header in table.chunks_exact(56).take(usize::from(count)) {
            let (offset, length) = (u64_at(header, 8)?, u64_at(header, 32)?);
            let bytes = || part(file, offset, length);
            match u32_at(header, 0)? {
                PT_LOAD => {
                    let (address, length) = (u64_at(header, 16)?, u64_at(header, 40)?);
                    segments.push(Segment { address, bytes: bytes()?, length });
                }
                PT_DYNAMIC => dynamic = Some(bytes()?),
                _ => {}
            }
        }
        Some(Self { segments, dynamic: dynamic? })
    }

    /// The address of the exported symbol `name`.
    pub(crate) fn symbol(&self, name: &str) -> Option<u64> {
        let index = match self.entry(DT_GNU_HASH) {
            Some(table) => self.find_by_gnu_hash(table, name)?,
            None => self.find_by_hash(self.entry(DT_HASH)?, name)?,
        };
        self.value_of(index)
    }

    /// Where the pointer at `address` leads after relocation; to 0 if it is null.
    pub(crate) fn pointer(&self, address: u64) -> Option<Pointer> {
        let length = usize::try_from(self.entry(DT_RELASZ).unwrap_or(0)).ok()?;
        let table = match self.entry(DT_RELA) {
            Some(table) => self.at(table)?.get(..length)?,
            None => &[],
        };
        let own = |address| Some(Pointer { address, symbol: None });
        let relocation =
            table.chunks_exact(RELOCATION_SIZE).find(|relocation| u64_at(relocation, 0) == Some(address));
        // Without one that names it, it is null, or a packed one (DT_RELR) adds the address where the file lies to what is there.
        let Some(relocation) = relocation else { return own(self.number(address)?) };
        let (info, addend) = (u64_at(relocation, 8)?, u64_at(relocation, 16)?);
        // The lower half is the type, the upper one the symbol (ELF64_R_TYPE, ELF64_R_SYM).
        let (kind, symbol) = (info as u32, info >> 32);
        if RELATIVE.contains(&kind) {
            own(addend)
        } else if OF_SYMBOL.contains(&kind) {
            let address = self.value_of(symbol)?.wrapping_add(addend);
            Some(Pointer { address, symbol: Some(self.name_of(symbol)?) })
        } else {
            None
        }
    }

    /// The number of 64 bits at `address`.
    pub(crate) fn number(&self, address: u64) -> Option<u64> {
        let is_zero = |segment: &Segment<'_>| {
            let offset = address.checked_sub(segment.address);
            offset.is_some_and(|offset| offset < segment.length)
        };
        match self.at(address) {
            Some(bytes) => u64_at(bytes, 0),
            None => self.segments.iter().any(is_zero).then_some(0),
        }
    }

    /// The text at `address` up to its NUL.
    pub(crate) fn text(&self, address: u64) -> Option<String> {
        let bytes = self.at(address)?;
        let length = bytes.iter().take(LONGEST_TEXT).position(|byte| *byte == 0)?;
        String::from_utf8(bytes[..length].to_vec()).ok()
    }

    fn at(&self, address: u64) -> Option<&'a [u8]> {
        self.segments.iter().find_map(|segment| {
            let offset = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            segment.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
        })
    }

    /// The value of an entry of the dynamic table.
    fn entry(&self, tag: u64) -> Option<u64> {
        let entry = self.dynamic.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(tag))?;
        u64_at(entry, 8)
    }

    /// The value of a symbol that the file itself defines.
    fn value_of(&self, index: u64) -> Option<u64> {
        let symbol = self.symbol_at(index)?;
        (u16_at(symbol, 6)? != 0).then(|| u64_at(symbol, 8)).flatten()
    }

    fn symbol_at(&self, index: u64) -> Option<&'a [u8]> {
        self.at(self.entry(DT_SYMTAB)?.checked_add(index.checked_mul(SYMBOL_SIZE)?)?)
    }

    fn name_of(&self, index: u64) -> Option<String> {
        let symbol = self.symbol_at(index)?;
        self.text(self.entry(DT_STRTAB)?.checked_add(u64::from(u32_at(symbol, 0)?))?)
    }

    fn is_named(&self, index: u64, name: &str) -> Option<bool> {
        let symbol = self.symbol_at(index)?;
        let stored = self.at(self.entry(DT_STRTAB)?.checked_add(u64::from(u32_at(symbol, 0)?))?)?;
        let is_same = stored.starts_with(name.as_bytes()) && stored.get(name.len()) == Some(&0);
        // One that is undefined is somebody else's.
        Some(is_same && u16_at(symbol, 6)? != 0)
    }

    fn find_by_gnu_hash(&self, table: u64, name: &str) -> Option<u64> {
        let bytes = self.at(table)?;
        let (buckets, first, words) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?, u32_at(bytes, 8)?);
        let hash = name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        let bucket_at = 16 + 8 * words as usize;
        let chain_at = bucket_at + 4 * buckets as usize;
        let start = u32_at(bytes, bucket_at + 4 * hash.checked_rem(buckets)? as usize)?;
        for index in start..start.checked_add(LONGEST_CHAIN)? {
            let found = u32_at(bytes, chain_at + 4 * index.checked_sub(first)? as usize)?;
            // The lowest bit says that the chain ends here.
            if found | 1 == hash | 1 && self.is_named(index.into(), name)? {
                return Some(index.into());
            }
            if found & 1 == 1 {
                return None;
            }
        }
        None
    }

    /// Looks at every symbol, whose number the table tells.
    fn find_by_hash(&self, table: u64, name: &str) -> Option<u64> {
        let count = u64::from(u32_at(self.at(table)?, 4)?);
        (1..count)
            .map_while(|index| Some((index, self.is_named(index, name)?)))
            .find_map(|(index, is_it)| is_it.then_some(index))
    }
}

fn part(file: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok()?;
    file.get(offset..offset.checked_add(usize::try_from(length).ok()?)?)
}

fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes_at(bytes, offset).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes_at(bytes, offset).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes_at(bytes, offset).map(u64::from_le_bytes)
}
