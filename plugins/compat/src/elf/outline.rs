//! What every ELF file tells of itself, whatever its class and byte order: enough to name it, not to judge it.
//!
//! Source of the layouts: the System V gABI, "ELF Header", "Sections", "Program Header" and "Dynamic Section".

use goblin::elf::dynamic::{DF_1_PIE, DT_FLAGS_1, DT_NULL, DT_SONAME};
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP};
use goblin::elf::section_header::{SHF_ALLOC, SHT_NOBITS, SHT_NOTE, SHT_NULL};

use super::{Class, Endianness, Linkage, ObjectType, Window};

/// A file with the layout that its identification says it has.
pub(super) struct Outline<'a> {
    file: Window<'a>,
    is_64_bit: bool,
    is_big_endian: bool,
}

/// The part of a program header that matters here.
struct Segment {
    kind: u32,
    offset: u64,
    /// In the file, in bytes.
    size: u64,
}

impl<'a> Outline<'a> {
    /// None where class or byte order are unknown, since then nothing can be found.
    pub(super) fn of(file: &'a [u8], class: Class, endianness: Endianness) -> Option<Self> {
        let is_64_bit = match class {
            Class::Bits32 => false,
            Class::Bits64 => true,
            Class::Unknown(_) => return None,
        };
        let is_big_endian = match endianness {
            Endianness::Little => false,
            Endianness::Big => true,
            Endianness::Unknown(_) => return None,
        };
        Some(Self { file: Window(file), is_64_bit, is_big_endian })
    }

    /// How the file is linked, by the same rules as for files that are read in depth.
    pub(super) fn linkage(&self, object_type: ObjectType) -> Linkage {
        if !matches!(object_type, ObjectType::Shared | ObjectType::Executable)
            || self.segment_table().is_none()
        {
            return Linkage::None;
        }
        let has_interpreter = self.segments().any(|segment| segment.kind == PT_INTERP);
        let Some(dynamic) = self.segments().find(|segment| segment.kind == PT_DYNAMIC && segment.size > 0)
        else {
            return Linkage::Static;
        };
        let is_pie = self.dynamic_value(&dynamic, DT_FLAGS_1).is_some_and(|flags| flags & DF_1_PIE != 0);
        let has_name = self.dynamic_value(&dynamic, DT_SONAME).is_some();
        Linkage::of(object_type, has_interpreter, has_name, is_pie)
    }

    /// Whether this is what is left of a linked file when all that would be loaded was taken out of it: it has sections that
    /// would be loaded, and of those only notes have content.
    pub(super) fn is_debug_only(&self) -> bool {
        let mut loaded = 0;
        for (kind, flags) in self.sections() {
            if flags & u64::from(SHF_ALLOC) == 0 || matches!(kind, SHT_NULL | SHT_NOTE) {
                continue;
            }
            if kind != SHT_NOBITS {
                return false;
            }
            loaded += 1;
        }
        loaded > 0
    }

    fn segment_table(&self) -> Option<(u64, u64, usize)> {
        let (offset, size, count) =
            if self.is_64_bit { (self.word(32)?, 54, 56) } else { (self.word(28)?, 42, 44) };
        let (size, count) = (u64::from(self.half(size)?), usize::from(self.half(count)?));
        let is_there = count > 0 && offset.checked_add(size)? <= self.file.0.len() as u64;
        is_there.then_some((offset, size, count))
    }

    fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        let (offset, size, count) = self.segment_table().unwrap_or_default();
        let (offset_at, size_at) = if self.is_64_bit { (8, 32) } else { (4, 16) };
        (0..count as u64).map_while(move |index| {
            let at = usize::try_from(offset.checked_add(index * size)?).ok()?;
            Some(Segment {
                kind: self.u32(at)?,
                offset: self.word(at.checked_add(offset_at)?)?,
                size: self.word(at.checked_add(size_at)?)?,
            })
        })
    }

    /// Types and flags of all sections.
    fn sections(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let table = || {
            let (offset, size, count) =
                if self.is_64_bit { (self.word(40)?, 58, 60) } else { (self.word(32)?, 46, 48) };
            Some((offset, u64::from(self.half(size)?), u64::from(self.half(count)?)))
        };
        let (offset, size, count) = table().unwrap_or_default();
        (0..count).map_while(move |index| {
            let at = usize::try_from(offset.checked_add(index * size)?).ok()?;
            Some((self.u32(at.checked_add(4)?)?, self.word(at.checked_add(8)?)?))
        })
    }

    /// The value of the last entry of the dynamic table with this tag.
    fn dynamic_value(&self, dynamic: &Segment, tag: u64) -> Option<u64> {
        let width = if self.is_64_bit { 8 } else { 4 };
        let start = usize::try_from(dynamic.offset).ok()?;
        let entries = usize::try_from(dynamic.size).ok()? / (2 * width);
        let entry = |index: usize| {
            let at = start.checked_add(index.checked_mul(2 * width)?)?;
            Some((self.word(at)?, self.word(at.checked_add(width)?)?))
        };
        let table = (0..entries).map_while(entry).take_while(|(found, _)| *found != DT_NULL);
        table.filter(|(found, _)| *found == tag).last().map(|(_, value)| value)
    }

    fn half(&self, at: usize) -> Option<u16> {
        self.file.u16(at).map(|value| if self.is_big_endian { value.swap_bytes() } else { value })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.file.u32(at).map(|value| if self.is_big_endian { value.swap_bytes() } else { value })
    }

    /// A number of the file's word size.
    fn word(&self, at: usize) -> Option<u64> {
        if !self.is_64_bit {
            return self.u32(at).map(u64::from);
        }
        self.file.u64(at).map(|value| if self.is_big_endian { value.swap_bytes() } else { value })
    }
}
