//! ELF files, section by section. Source: System V ABI, chapter 4; Linux Standard Base for the build ID's note.

use std::ops::Range;

use goblin::container::Ctx;
use goblin::elf::Elf;
use goblin::elf::section_header::SectionHeader;

use super::{Cause, Difference, Pair, Trace, bytes, first_differing};

/// A digest over all other sections, when it is as it should be: it differs because they do.
const BUILD_ID: &str = ".note.gnu.build-id";

/// The difference of two ELF files; `None` if the sections of one cannot be read.
pub(super) fn difference(pair: Pair<'_>) -> Option<Difference> {
    let (first, second) = (Layout::read(pair.first)?, Layout::read(pair.second)?);
    if let Some(found) = other_sections(&first, &second) {
        return Some(found);
    }
    let mut differing: Vec<(&Section<'_>, &Section<'_>)> = first
        .sections
        .iter()
        .zip(&second.sections)
        .filter(|(one, other)| one.content != other.content)
        .collect();
    // In the order of the file, but what only follows from the rest comes last.
    differing.sort_by_key(|(one, _)| (one.name == BUILD_ID, one.offset));
    let is_build_id_alone = matches!(differing[..], [(one, _)] if one.name == BUILD_ID);
    let found = differing.into_iter().map(|(one, other)| {
        let within = Pair { first: one.content, second: other.content, ..pair };
        let at = first_differing(one.content, other.content);
        let mut found = bytes(within, at, format!("offset {at:#x}"));
        if is_build_id_alone {
            found.cause = Some(Cause::new(Trace::BuildId, "a build ID, while everything else is the same"));
        }
        found.within(format!("section {}", one.name))
    });
    Difference::choose(found.collect()).or_else(|| Some(outside_of_sections(pair, &first)))
}

/// Where the parts of a file lie.
struct Layout<'a> {
    /// As the section headers have them.
    sections: Vec<Section<'a>>,
    header: Range<usize>,
    program_headers: Range<usize>,
    section_headers: Range<usize>,
}

struct Section<'a> {
    name: String,
    offset: usize,
    /// Empty where it takes no room in the file.
    content: &'a [u8],
}

impl<'a> Layout<'a> {
    fn read(file: &'a [u8]) -> Option<Layout<'a>> {
        let header = Elf::parse_header(file).ok()?;
        let context = Ctx::new(header.container().ok()?, header.endianness().ok()?);
        let table = |offset: u64, entry: u16, count: u16| {
            let start = usize::try_from(offset).ok()?;
            Some(start..start.checked_add(usize::from(entry) * usize::from(count))?)
        };
        let section_headers = table(header.e_shoff, header.e_shentsize, header.e_shnum)?;
        let headers =
            SectionHeader::parse(file, section_headers.start, usize::from(header.e_shnum), context).ok()?;
        let content =
            |header: &SectionHeader| header.file_range().map_or(Some(&file[..0]), |range| file.get(range));
        let names = headers.get(usize::from(header.e_shstrndx)).and_then(content).unwrap_or_default();
        let sections = headers.iter().map(|header| {
            Some(Section {
                name: name_at(names, header.sh_name),
                offset: usize::try_from(header.sh_offset).ok()?,
                content: content(header)?,
            })
        });
        Some(Layout {
            sections: sections.collect::<Option<Vec<_>>>()?,
            header: 0..usize::from(header.e_ehsize),
            program_headers: table(header.e_phoff, header.e_phentsize, header.e_phnum)?,
            section_headers,
        })
    }
}

fn name_at(names: &[u8], offset: usize) -> String {
    let rest = names.get(offset..).unwrap_or_default();
    let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The first place in the list of sections where the files have different ones.
fn other_sections(first: &Layout<'_>, second: &Layout<'_>) -> Option<Difference> {
    let name = |layout: &Layout<'_>, at: usize| {
        layout.sections.get(at).map_or("the end".to_owned(), |section| format!("{:?}", section.name))
    };
    let length = first.sections.len().max(second.sections.len());
    let at = (0..length).find(|&at| name(first, at) != name(second, at))?;
    Some(Difference::at(format!("section number {at}"), name(first, at), name(second, at), None))
}

/// A difference that no section has: in headers or between sections.
fn outside_of_sections(pair: Pair<'_>, layout: &Layout<'_>) -> Difference {
    let at = first_differing(pair.first, pair.second);
    let parts = [
        ("ELF header", &layout.header),
        ("program headers", &layout.program_headers),
        ("section headers", &layout.section_headers),
    ];
    match parts.into_iter().find(|(_, range)| range.contains(&at)) {
        Some((name, range)) => {
            bytes(pair, at, format!("offset {:#x}", at - range.start)).within(name.to_owned())
        }
        None => bytes(pair, at, format!("byte {at}")).within("between sections".to_owned()),
    }
}
