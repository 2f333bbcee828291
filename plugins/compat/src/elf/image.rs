//! The file as the loader maps it: program headers, never section headers, decide what lies where.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::Header;
use goblin::elf::program_header::{
    PF_W, PF_X, PT_DYNAMIC, PT_GNU_RELRO, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_NOTE, PT_TLS, ProgramHeader,
};

use super::{ElfError, PageLayout, ThreadLocalBlock};

/// The layout that is read in depth: 64-bit, little-endian.
pub(super) const CTX: Ctx = Ctx { container: Container::Big, le: Endian::Little };

const SECTION_HEADER_SIZE: u64 = 64;
/// The size of pages in bytes: the only one of x86_64, and the smallest of aarch64.
const SMALLEST_PAGE: u64 = 4096;
const SHT_NOBITS: u32 = 8;

/// A 64-bit little-endian file whose segments are known to lie inside it.
pub(super) struct Image<'a> {
    file: &'a [u8],
    segments: Vec<ProgramHeader>,
}

impl<'a> Image<'a> {
    pub(super) fn new(file: &'a [u8], header: &Header) -> Result<Self, ElfError> {
        let count = usize::from(header.e_phnum);
        let entry_size = ProgramHeader::size(CTX);
        if count > 0 && usize::from(header.e_phentsize) != entry_size {
            return Err(ElfError::malformed("program headers are not of the size a 64-bit file has"));
        }
        inside(file, "the program header table", header.e_phoff, (count * entry_size) as u64)?;
        let segments = ProgramHeader::parse(file, header.e_phoff as usize, count, CTX)
            .map_err(|_| ElfError::malformed("the program header table cannot be read"))?;
        for segment in &segments {
            let part = match segment.p_type {
                PT_LOAD => "a loaded segment",
                PT_DYNAMIC => "the dynamic table",
                PT_INTERP => "the interpreter's name",
                PT_NOTE => "a note",
                PT_TLS => "the thread-local template",
                _ => continue,
            };
            inside(file, part, segment.p_offset, segment.p_filesz)?;
        }
        Ok(Self { file, segments })
    }

    pub(super) fn file_length(&self) -> usize {
        self.file.len()
    }

    /// The bytes that are mapped from virtual address `address` to the end of the file part of its segment.
    pub(super) fn at(&self, address: u64) -> Option<&'a [u8]> {
        let segment = self.segments.iter().find(|segment| {
            segment.p_type == PT_LOAD
                && address >= segment.p_vaddr
                && address - segment.p_vaddr < segment.p_filesz
        })?;
        let whole = self.contents(segment)?;
        whole.get((address - segment.p_vaddr) as usize..)
    }

    /// Exactly `length` bytes that are mapped at `address`.
    pub(super) fn table(&self, address: u64, length: u64) -> Option<&'a [u8]> {
        self.at(address)?.get(..usize::try_from(length).ok()?)
    }

    pub(super) fn dynamic(&self) -> Option<&'a [u8]> {
        self.first(PT_DYNAMIC)
    }

    pub(super) fn interpreter(&self) -> Option<String> {
        let bytes = self.first(PT_INTERP)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        // Longer than any path the kernel takes: a name nobody can open need not be kept.
        let name = &bytes[..end.min(4096)];
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Every note segment with its alignment, in file order.
    pub(super) fn notes(&self) -> impl Iterator<Item = (&'a [u8], u64)> + '_ {
        self.segments
            .iter()
            .filter(|segment| segment.p_type == PT_NOTE)
            .filter_map(|segment| Some((self.contents(segment)?, segment.p_align)))
    }

    /// Whether the file asks for an executable stack; one that does not say so is taken to ask.
    pub(super) fn executable_stack(&self) -> bool {
        self.segments
            .iter()
            .find(|segment| segment.p_type == PT_GNU_STACK)
            .is_none_or(|segment| segment.p_flags & PF_X != 0)
    }

    pub(super) fn relro(&self) -> bool {
        self.segments.iter().any(|segment| segment.p_type == PT_GNU_RELRO)
    }

    pub(super) fn writable_code(&self) -> bool {
        let both = PF_W | PF_X;
        self.segments.iter().any(|segment| segment.p_type == PT_LOAD && segment.p_flags & both == both)
    }

    pub(super) fn thread_local(&self) -> Option<ThreadLocalBlock> {
        let segment = self.segments.iter().find(|segment| segment.p_type == PT_TLS && segment.p_memsz > 0)?;
        Some(ThreadLocalBlock { size: segment.p_memsz, alignment: segment.p_align.max(1) })
    }

    pub(super) fn pages(&self) -> PageLayout {
        let power_of_two = |number: u64| if number == 0 { 1 << 63 } else { number & number.wrapping_neg() };
        let mut pages = PageLayout::default();
        let mut end = 0;
        for segment in self.segments.iter().filter(|segment| segment.p_type == PT_LOAD) {
            let distance = segment.p_vaddr.wrapping_sub(segment.p_offset);
            pages.mappable = pages.mappable.min(power_of_two(distance));
            pages.declared = pages.declared.min(power_of_two(segment.p_align));
            pages.as_declared &= distance & segment.p_align.wrapping_sub(1) == 0;
            pages.shared |= segment.p_vaddr / SMALLEST_PAGE < end;
            end = segment.p_vaddr.saturating_add(segment.p_filesz).div_ceil(SMALLEST_PAGE);
        }
        pages
    }

    fn first(&self, kind: u32) -> Option<&'a [u8]> {
        self.contents(self.segments.iter().find(|segment| segment.p_type == kind)?)
    }

    fn contents(&self, segment: &ProgramHeader) -> Option<&'a [u8]> {
        let start = usize::try_from(segment.p_offset).ok()?;
        let length = usize::try_from(segment.p_filesz).ok()?;
        self.file.get(start..start.checked_add(length)?)
    }
}

/// Where the last section, or the section header table itself, ends beyond the file. The loader does not look
/// there, but a file that misses its tail was cut and is not what its author built.
pub(super) fn missing_tail(file: &[u8], header: &Header) -> Option<ElfError> {
    if header.e_shoff == 0 {
        return None;
    }
    let table_length = u64::from(header.e_shnum) * SECTION_HEADER_SIZE;
    if let Err(error) = inside(file, "the section header table", header.e_shoff, table_length) {
        return Some(error);
    }
    let table = super::Window(file.get(header.e_shoff as usize..)?);
    (0..usize::from(header.e_shnum)).find_map(|index| {
        let at = index * SECTION_HEADER_SIZE as usize;
        let kind = table.u32(at + 4)?;
        let (offset, size) = (table.u64(at + 24)?, table.u64(at + 32)?);
        if kind == 0 || kind == SHT_NOBITS {
            return None;
        }
        inside(file, "a section", offset, size).err()
    })
}

fn inside(file: &[u8], part: &'static str, offset: u64, length: u64) -> Result<(), ElfError> {
    let has = file.len() as u64;
    let needs = offset.saturating_add(length);
    if length > 0 && needs > has { Err(ElfError::Truncated { part, needs, has }) } else { Ok(()) }
}
